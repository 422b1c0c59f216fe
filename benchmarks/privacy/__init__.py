"""What differential privacy costs in accuracy, and whether it keeps what it says."""
