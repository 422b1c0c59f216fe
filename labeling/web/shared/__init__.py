"""What all pages share: frame, access check, forms, words for numbers and times. Nothing that a single page needs."""
