"""What managers decide about a project: classes, people, settings, encoder, privacy budget, its end. No batches."""
