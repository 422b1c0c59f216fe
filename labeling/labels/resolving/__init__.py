"""Compute an item's label and its probability from several people's answers. Values in, values out: no rows.

`posterior` weighs the answers to one item, in the request that submits an answer; `one_coin` and `dawid_skene` estimate
labels and each person's reliability from all answers of a project. The reasons are in
docs/decisions/10-overlap-and-resolving.md.
"""
