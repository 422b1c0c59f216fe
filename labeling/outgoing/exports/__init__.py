"""Export labeled items as a stream of bytes, in several formats with the same rows.

Rows are read in pages by key, so the memory and the queries for each page do not depend on the number of rows:

    choice.py     the filters of rows
    chosen.py     the rows that they choose, as queries, and their number
    columns.py    the columns: names, order, meaning, the JSON of an item's fields
    rows.py       the database → pages of rows, with their answers and corrections
    unasked_rows.py  the rows of near-copies, and of labels that certificates cover
    frozen_rows.py   the rows of a dataset version
    lineage.py    the versions that picked a row and learned its label
    weights.py    the number of pool items that a control item represents
    facts.py      the project, as layouts and rows see it
    splits.py     the split of each row
    short.py      the short rows of a CSV for people
    files.py      the items themselves, and their files by class
    dataset.py    items and labels as typed rows, or tables beside files
    tasks.py      items and answers for other annotation tools
    card.py       the card of a dataset
    writing.py    pages of rows → bytes, in one of `labeling.outgoing.formats`
"""

from labeling.outgoing.exports.choice import FILTERS, Choice, choose
from labeling.outgoing.exports.chosen import count_rows
from labeling.outgoing.exports.writing import export, formats_of

__all__ = ["FILTERS", "Choice", "choose", "count_rows", "export", "formats_of"]
