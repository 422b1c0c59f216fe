"""Modules of `benchmarks.finish`: the people, the project, the ways to its end, the comparison."""
