"""Exports: labeled items as a stream of bytes, in several formats that agree to the row.

Rows are read in pages by key, so an export needs the same memory and the same queries a page at any size:

    choice.py    which rows: the filters
    rows.py      the database → pages of rows
    compact.py   the JSON of an item's fields
    weights.py   how many items a control item stands for
    columns.py   what a row holds: names, order, meaning
    writing.py   pages of rows → bytes, in one of `labeling.outgoing.formats`
"""

from labeling.outgoing.exports.choice import FILTERS, Choice, choose
from labeling.outgoing.exports.rows import count_rows
from labeling.outgoing.exports.writing import export

__all__ = ["FILTERS", "Choice", "choose", "count_rows", "export"]
