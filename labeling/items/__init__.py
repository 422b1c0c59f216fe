"""Finding items among a million, and what is known of each.

filter.py      what a filter declares; exports declare theirs with it
filters.py     the filters, and the items that they let through
values.py      texts → the values of filters
order.py       in which order: pages by key and neighbours, quick wherever one stands
words.py       the words of an item and of a search: pure
search.py      the index of what items say
alike.py       the nearest neighbours of an item
records.py     what is known of the items found: answers, classes, corrections
"""
