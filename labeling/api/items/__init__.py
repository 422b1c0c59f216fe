"""Endpoints of items: lists, records, comments, corrections and imports. Tasks are in `labeling.api.label`."""
