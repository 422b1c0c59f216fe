"""Times of imports, exports and dataset versions; `__main__` has the table of measurements."""
