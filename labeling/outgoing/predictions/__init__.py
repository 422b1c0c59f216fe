"""Predictions of uploaded items that do not enter the project: a file in, a row for each item out.

file.py      a file that can be imported → rows, chunk by chunk: memory does not grow with the file
shape.py     the layout of a row for `labeling.outgoing.formats`; light, for pages too
run.py       the same in the background: a step that can be killed anywhere, and goes on
results.py   the results of runs, read in pages, and their removal
"""
