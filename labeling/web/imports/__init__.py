"""The pages of imports: a new file, its columns, its progress and its rejected rows. No sources."""
