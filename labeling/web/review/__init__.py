"""The reviewers' queue and comments on items. Lists of items are in `labeling.web.items`."""
