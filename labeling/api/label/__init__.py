"""Endpoints of the annotators' screen: claims, answers, undo. Reviews and corrections are in `labeling.api.items`."""
