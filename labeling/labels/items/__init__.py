"""Find items among a million, and read their answers, classes and corrections.

filter.py         the declaration of a filter, for items and for exports
item_filters.py   the filters of items, and the items that match them
filter_values.py  texts → the values of filters
answered.py       the filters by answers, for the figures of the agreement page
order.py          the orders of lists, with pages by key and neighbours of an item
words.py          the words of an item and of a search: pure
search.py         the full-text index of items
alike.py          the nearest neighbours of an item
records.py        items with their answers, classes and corrections
leftovers.py      overwriting what removed rows leave in the database's files
"""
