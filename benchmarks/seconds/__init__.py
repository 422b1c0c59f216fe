"""Modules of `benchmarks.human_seconds`: the people, the ways of asking them, the comparison."""
