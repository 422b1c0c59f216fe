"""Sources: managers change them here, and workers look at them; `labeling.outside.sources` reads them.

A look makes imports of what is new. The import of a file, or of a list of files, then brings the items in.
"""
