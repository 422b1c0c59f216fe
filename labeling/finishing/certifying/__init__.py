"""Prove by an audit how many labels of a model are wrong at most. Arrays in, values out: no rows.

`plan` fixes before the audit the sets of labels and the order in which people are asked; `proof` finds the largest set
that their answers prove; `forecast` estimates the answers that a proof takes. docs/explanation/certifying.md derives
the method.
"""
