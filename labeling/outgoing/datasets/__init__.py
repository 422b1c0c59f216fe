"""Dataset versions: immutable states of a project's labels, whose storage grows with what changes between them.

creating.py   make a version by hand, or for a training
freeze.py     write a version: the rows that differ from an earlier version, by stamps, and the manifest
manifest.py   the document with everything about a version, whose SHA-256 is its digest; whether it still holds
comparing.py  two versions: items added, labels changed, by class
erasing.py    take items that are removed for good out of all versions

`labeling.outgoing.layers` reads and writes the files, `labeling.outgoing.exports.frozen_rows` the rows of a version.
"""
