"""The privacy ledger of a project: budgets, projects that share labels, and the pre-training of an encoder.

The mathematics is in `models_store.privacy`.
"""
