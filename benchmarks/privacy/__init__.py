"""What differential privacy costs in accuracy, and whether its guarantee holds."""
