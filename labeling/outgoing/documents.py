"""Documents that are written once: canonical JSON, with the SHA-256 of its bytes.

Certificates and the manifests of dataset versions and model versions are such documents. They list the SHA-256 of
further files. A document can be verified by its digest without this server.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from labeling.models.files import FileOwner
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, FileMissing, replace_file, sha256_of_file
from labeling.storage.shared_files import store


class Document(NamedTuple):
    """A document's bytes, and their SHA-256 in hex."""

    content: bytes
    digest: str


def document_of(values: dict[str, Any], options: int = 0) -> Document:
    """Return the values as canonical JSON, its keys in order. `options`: further ones of orjson."""
    content = orjson.dumps(values, option=orjson.OPT_SORT_KEYS | options)
    return Document(content, digest_of(content))


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of the content, in hex."""
    return hashlib.sha256(content).hexdigest()


def write_file(row: FileOwner, document: Document) -> None:
    """Write a document to the row's file, and set the row's size and digest."""
    path = ProjectFiles(row.project).owned(row)
    replace_file(path, document.content)
    store().publish(path)
    row.size, row.digest = len(document.content), document.digest


def unchanged(path: Path, digest: str) -> Path:
    """Return the path, if its file has this SHA-256; it is read again once it was written to. Raises `FileMissing`, or
    `FileDamaged` for another content.
    """
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise FileMissing(path) from error
    if _sum(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) != digest:
        raise FileDamaged(path, "checksum mismatch: the file was changed")
    return path


@lru_cache(maxsize=4096)
def _sum(path: Path, *version: int) -> str:
    return sha256_of_file(path)
