"""Charts as values: what to draw, what it says, and the table behind it. The templates in project/charts/ draw them."""
