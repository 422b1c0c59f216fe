"""What a member finds in a project by word: pages, settings, batches, people and items."""
