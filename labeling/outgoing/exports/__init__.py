"""Exports: labeled items as a stream of bytes, in several formats that agree to the row.

Rows are read in pages by key, so an export needs the same memory and the same queries a page at any size:

    choice.py    which rows: filters as people write them
    rows.py      the database → pages of rows
    compact.py   the JSON of an item's fields
    weights.py   how many items a control item stands for
    columns.py   what a row holds: names, order, meaning
    formats.py   pages of rows → bytes: JSONL and CSV here, Parquet in parquet.py, with `labeling.outgoing.tables`
"""

from labeling.outgoing.exports.choice import FILTERS, Choice, ChoiceError, choose
from labeling.outgoing.exports.formats import FORMATS, export
from labeling.outgoing.exports.rows import count_rows

__all__ = ["FILTERS", "FORMATS", "Choice", "ChoiceError", "choose", "count_rows", "export"]
