"""Predictions for items that need not be in the project: a file in, a row an item out.

file.py      a file that can be imported → rows, chunk by chunk: memory does not grow with the file
shape.py     the layout of a row for `labeling.outgoing.formats`; light, for pages too
run.py       the same in the background: a step that can be killed anywhere, and goes on
results.py   the results of runs, read in pages, and their removal
"""
