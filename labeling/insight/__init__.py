"""Numbers about the work that is done: how fast, by whom, how well. Questions to the database; plain values out.

Each function asks a number of queries that does not depend on the project's size, and reads a bounded number of rows
or lets the database count over an index.
"""
