"""The storage names of files at sources."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from labeling.kinds import KeptAtSource

FOLDER = "references"


def name_of(project_id: int, file: KeptAtSource, item: str, suffix: str) -> str:
    """Return the storage name of a file at a source, for the item with the id `item`. `suffix` is that of the file that
    browsers get.
    """
    facts = (str(file.source), file.key, file.etag, str(file.size), item)
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()
    return f"{project_id}/{FOLDER}/{digest[:2]}/{digest}{suffix}"


def is_reference(name: str) -> bool:
    """Return whether this is the storage name of a file at a source. The smaller pictures of such a file are stored
    here.

    >>> is_reference("1/references/ab/abcd.jpg"), is_reference("1/references/ab/abcd.preview.webp")
    (True, False)
    """
    path = PurePosixPath(name)
    return path.parts[1:2] == (FOLDER,) and "." not in path.stem
