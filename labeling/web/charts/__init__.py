"""Charts as values: drawing, finding and table. The templates in project/charts/ render them."""
