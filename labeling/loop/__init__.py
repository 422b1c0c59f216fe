"""What all modules may know of background work: the states of a batch with their jobs, and what a step may rely on.

`table` declares the states, and `batches.advance` alone changes them. What a step computes, and the worker that runs
it, are in `labeling.steps`.
"""
