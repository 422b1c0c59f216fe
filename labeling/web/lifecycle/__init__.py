"""The pages that copy, archive, delete and restore a project."""
