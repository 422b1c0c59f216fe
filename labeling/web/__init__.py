"""The pages. Their views parse requests, call the layers below and render templates."""
