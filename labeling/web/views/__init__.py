"""One file a subject: whose page it is."""
