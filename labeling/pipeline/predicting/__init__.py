"""Predictions for items that need not be in the project: a file in, a row an item out.

formats.py   rows → bytes: JSONL, CSV, Parquet; light, for pages too
file.py      a file that can be imported → rows, chunk by chunk: memory does not grow with the file
"""
