"""Parts of `benchmarks.label_efficiency`: the data, one simulated project, the comparison, the drawing."""
