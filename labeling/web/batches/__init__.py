"""The pages of batches: the running one, all of them, and why each item was picked. No answers: see `review`."""
