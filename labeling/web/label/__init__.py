"""The annotators' screen. The claims and answers that it sends are endpoints of `labeling.api.label`."""
