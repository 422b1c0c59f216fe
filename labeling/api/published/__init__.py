"""The published schema of the API, and the page that shows it to people. No endpoint of a project."""
