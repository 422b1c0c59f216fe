"""Finding items among a million, and what is known of each.

filters.py     which items: what can be asked, and the queryset that answers it
order.py       in which order: pages by key and neighbours, quick wherever one stands
words.py       the words of an item and of a search: pure
search.py      the index of what items say
alike.py       the nearest neighbours of an item
records.py     what is known of the items found: answers, classes, corrections
"""
