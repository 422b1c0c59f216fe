"""The worker: which job it takes, where it runs it, and what follows its end. What a step computes is in
`labeling.steps`.
"""
