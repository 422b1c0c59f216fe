"""The errors of the client. The text of each is one line for people."""

from collections.abc import Mapping, Sequence


class MarginaliaError(Exception):
    """Base of all errors."""


class ServerAway(MarginaliaError):
    """The server did not answer, or answered that it cannot at the moment, for as long as requests are repeated."""


class NotMarginalia(MarginaliaError):
    """Something other than Marginalia's API answers at this address."""


class Failed(MarginaliaError):
    """A batch, an import or a prediction failed on the server."""


class TimedOut(MarginaliaError):
    """The time limit passed before the batch, the import or the prediction was done. It goes on on the server."""


class MissingPackage(MarginaliaError):
    """A package of an extra is not installed."""


class Refused(MarginaliaError):
    """The server refused a request. The text is the server's sentence.

    `status` is the HTTP status, `code` the reason for programs, `fields` the sentences for each field at fault.
    """

    def __init__(
        self, detail: str, *, status: int, code: str = "", fields: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.fields = dict(fields or {})


class Invalid(Refused):
    """400: a value is not valid."""


class NotSignedIn(Refused):
    """401: the token is unknown, withdrawn or expired."""


class NotPermitted(Refused):
    """403: the role of the token's owner does not permit this."""


class NotFound(Refused):
    """404: it does not exist, or the token's owner may not see it."""


class Conflict(Refused):
    """409: not possible in the present state."""


BY_STATUS: Mapping[int, type[Refused]] = {
    400: Invalid,
    401: NotSignedIn,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
}
