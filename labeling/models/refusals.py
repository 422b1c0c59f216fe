"""The base of errors that refuse a change."""


class StateConflict(Exception):
    """The present state does not allow the change; the message says why. The API answers 409 with it."""
