"""Open Images' shape: a turn of the loop over 20,000 classes of a long tail."""
