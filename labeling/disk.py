"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, content: bytes | memoryview, *, durable: bool = True, drafts: Path | None = None) -> None:
    """Write a file in one step: whoever reads `path`, now or after a crash, sees all of it or what was there before.

    It is written in the folder `drafts`, on the same disk, and then moved; by default beside `path`.
    """
    with replacing(path, durable=durable, drafts=drafts) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, durable: bool = True, drafts: Path | None = None) -> Iterator[BinaryIO]:
    """The same for what is too large to be held: it is written to the file that this gives."""
    folder = drafts or path.parent
    for each in (path.parent, folder):
        each.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
