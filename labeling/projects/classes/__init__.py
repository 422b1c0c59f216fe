"""The classes of a project: their changes, proposals, guidelines and examples.

Labels follow a change by `labels.relabeling`.
"""
