"""What items are taken to be: labels with their counts, corrections, reviews and comments, and finding items by them.

People's answers come in by `queue`; labels that a model gave come from `finishing`.
"""
