"""Endpoints of model versions, their predictions, the clustering, the payoff and the privacy ledger."""
