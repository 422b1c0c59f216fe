"""The base of errors that refuse a change."""


class StateConflict(Exception):
    """The present state does not allow the change; the message says why. The API answers 409 with it."""


class Refused(Exception):
    """The request cannot be met now: `detail` is for people, `code` for programs. The API answers 404 or 409."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
