"""Modules of `benchmarks.label_efficiency`: the data, a simulated project, the comparison, the drawing."""
