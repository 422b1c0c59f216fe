"""The list of items, one item's page, and changes of many items. Reviews are in `labeling.web.review`."""
