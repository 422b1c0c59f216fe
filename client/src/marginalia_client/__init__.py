"""Marginalia's API in Python, blocking (`Marginalia`) and async (`AsyncMarginalia`)."""

from .batches import Batch
from .datasets import Dataset, DatasetVersion
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
from .models import ModelVersion, Predictions
from .projects import Project
from .server import AsyncMarginalia, Marginalia
from .tables import Table
from .tasks import Claim, Submitted
from .version import __version__

__all__ = [
    "Added",
    "AsyncMarginalia",
    "Batch",
    "Claim",
    "Conflict",
    "Dataset",
    "DatasetVersion",
    "Failed",
    "Invalid",
    "Item",
    "Marginalia",
    "MarginaliaError",
    "MissingPackage",
    "ModelVersion",
    "NotFound",
    "NotMarginalia",
    "NotPermitted",
    "NotSignedIn",
    "Predictions",
    "Project",
    "Refused",
    "RejectedRow",
    "ServerAway",
    "Submitted",
    "Table",
    "TimedOut",
    "__version__",
]
