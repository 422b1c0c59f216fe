"""Compares rules for asking annotators, by simulated annotators with known mistakes: `python -m benchmarks.quality`."""
