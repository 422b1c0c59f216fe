"""Files out: exports, dataset versions, predictions and models. Figures for pages are in `labeling.insight`."""
