"""Formats of numbers and dates where this product differs from Django, by language."""
