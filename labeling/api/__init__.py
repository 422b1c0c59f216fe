"""The HTTP API. Its views parse requests, check the caller's ability, call the layers below and render results."""
