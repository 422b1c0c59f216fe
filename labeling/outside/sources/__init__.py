"""Places outside from which a project's items come: S3, Google Cloud Storage, Azure Blob Storage, and the web.

`remote_of` returns the `Remote` of a source: it lists and reads files. No database.
"""

from labeling.outside.sources.base import (
    READ_SECONDS,
    REQUEST_SECONDS,
    BadAddress,
    Entry,
    Option,
    Reason,
    Remote,
    SourceProblem,
)
from labeling.outside.sources.schemes import (
    MAX_ADDRESS,
    PLACES,
    SCHEMES,
    check,
    options_of,
    remote_at,
    remote_of,
    seal_secrets,
)

__all__ = [
    "MAX_ADDRESS",
    "PLACES",
    "READ_SECONDS",
    "REQUEST_SECONDS",
    "SCHEMES",
    "BadAddress",
    "Entry",
    "Option",
    "Reason",
    "Remote",
    "SourceProblem",
    "check",
    "options_of",
    "remote_at",
    "remote_of",
    "seal_secrets",
]
