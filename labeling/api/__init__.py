"""The HTTP API: parse, check who may, call, render. Nothing is decided here."""
