"""The page of a project's audit log, and of the server's."""
