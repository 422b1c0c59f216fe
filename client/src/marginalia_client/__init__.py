"""Marginalia's API in Python, blocking (`Marginalia`) and async (`AsyncMarginalia`)."""

from .batches import Batch
from .errors import (
    Conflict,
    Failed,
    Invalid,
    MarginaliaError,
    MissingPackage,
    NotFound,
    NotMarginalia,
    NotPermitted,
    NotSignedIn,
    Refused,
    ServerAway,
    TimedOut,
)
from .items import Added, Item, RejectedRow
from .projects import Project
from .server import AsyncMarginalia, Marginalia
from .tables import Table
from .version import __version__

__all__ = [
    "Added",
    "AsyncMarginalia",
    "Batch",
    "Conflict",
    "Failed",
    "Invalid",
    "Item",
    "Marginalia",
    "MarginaliaError",
    "MissingPackage",
    "NotFound",
    "NotMarginalia",
    "NotPermitted",
    "NotSignedIn",
    "Project",
    "Refused",
    "RejectedRow",
    "ServerAway",
    "Table",
    "TimedOut",
    "__version__",
]
