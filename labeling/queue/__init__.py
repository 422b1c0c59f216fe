"""The queue: tasks out to people, and their answers in. The labels that follow are in `labeling.labels`."""
