"""Finish a project: audits prove how many labels of a model are wrong at most, and their certificates label the pool.

`labeling.finishing.certifying` computes plans and proofs; this package reads and writes their rows and files.
"""
