"""What all endpoints share: authentication, parsing, errors, pages of lists, downloads."""
