"""The page of a project's classes, and of proposed ones."""
