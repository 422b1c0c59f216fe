"""The page of the way to a label for every item, and of certificates."""
