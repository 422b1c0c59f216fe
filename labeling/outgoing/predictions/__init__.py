"""Predictions of uploaded items that do not enter the project: a file in, a row for each item out.

requests.py  stores the file and enqueues the job; `labeling.steps.predict` predicts it
results.py   reads the results in pages, and removes expired ones
shape.py     the layout of a row for `labeling.outgoing.formats`; pages import it without torch
"""
