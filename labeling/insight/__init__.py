"""Figures about the work in a project: its pace, the people who do it, its quality. Queries in, plain values out.

The number of queries of each function does not depend on the project's size, and each reads a bounded number of rows or
lets the database count over an index.
"""
