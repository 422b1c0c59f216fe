"""A turn of the loop with 20,000 classes of a long tail, as in Open Images."""
