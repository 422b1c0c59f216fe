"""Export labeled items as a stream of bytes, in several formats with the same rows.

Rows are read in pages by key, so the memory and the queries for each page do not depend on the number of rows:

    choice.py     the filters of rows
    rows.py       the database → pages of rows
    answers.py    the answers and corrections of a page
    copy_rows.py  the rows of near-copies
    certified_rows.py  the rows of labels that certificates cover
    lineage.py    the versions that picked a row and learned its label
    compact.py    the JSON of an item's fields
    weights.py    the number of pool items that a control item represents
    short.py      the short rows of a CSV for people
    facts.py      the project, as layouts and rows see it
    splits.py     the split of each row
    files.py      the items' files by class
    contents.py   the items themselves
    dataset.py    items and labels as typed rows
    samples.py    items and labels as samples of WebDataset
    tasks.py      items and answers for other annotation tools
    described.py  the items' files beside tables that describe them
    card.py       the card of a dataset
    columns.py    the columns: names, order, meaning
    writing.py    pages of rows → bytes, in one of `labeling.outgoing.formats`
"""

from labeling.outgoing.exports.choice import FILTERS, Choice, choose
from labeling.outgoing.exports.rows import count_rows
from labeling.outgoing.exports.writing import export, formats_of

__all__ = ["FILTERS", "Choice", "choose", "count_rows", "export", "formats_of"]
