"""The page of the server's state, for operators. Endpoints for monitors are in `labeling.web.gate`."""
