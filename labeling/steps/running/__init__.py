"""The worker: it takes due jobs, runs their steps in processes of their own, and watches their time and memory.

What a step computes is in the modules beside this folder; what a step may rely on is in `loop.step`.
"""
