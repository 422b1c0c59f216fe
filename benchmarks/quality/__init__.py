"""Simulated annotators whose mistakes are known, asked by several rules: `python -m benchmarks.quality`."""
