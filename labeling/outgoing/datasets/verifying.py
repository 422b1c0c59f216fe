"""Verify a dataset version: whether its manifest and its files are what was written."""

from __future__ import annotations

import hashlib

from django.utils.translation import gettext

from labeling.models import DatasetVersion
from labeling.outgoing import layers
from labeling.outgoing.datasets.freeze import line_digest
from labeling.outgoing.exports.frozen_rows import dataset_pages, files_of, manifest_of, paths_of_files
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged, sha256_of_file
from labeling.storage.shared_files import store

PAGE = 5000


def verify(dataset: DatasetVersion, *, each_row: bool = False) -> list[str]:
    """Return what is wrong with a whole version, one sentence each; nothing if it is what was written.

    The manifest is compared with the digest, and each file with its SHA-256 in the manifest. Takes as long as reading
    the files, in no memory to speak of. `each_row`: also the digests of the rows with that of all rows, and each row
    with its digest.
    """
    if hashlib.sha256(dataset.manifest.encode()).hexdigest() != dataset.digest:
        return [gettext("Checksum mismatch: the manifest was changed.")]
    manifest = manifest_of(dataset)
    files = files_of(dataset)
    problems = []
    for file, listed in zip(files, manifest["files"], strict=True):
        path = ProjectFiles(dataset.project).owned(file)
        try:
            found = sha256_of_file(store().local(path))
        except FileNotFoundError:
            problems.append(gettext("The file %(name)s is missing.") % {"name": listed["name"]})
            continue
        if found != listed["sha256"]:
            sentence = gettext("Checksum mismatch: the file %(name)s was changed. Its SHA-256 is %(digest)s now.")
            problems.append(sentence % {"name": listed["name"], "digest": found})
    if problems or not each_row:
        return problems
    try:
        index = layers.index_of(paths_of_files(files))
        if hashlib.sha256(index.digests.tobytes()).hexdigest() != manifest["rows_sha256"]:
            return ["The digests of the rows are not those of the manifest."]
        return _wrong_rows(dataset, index)
    except FileDamaged as damage:
        return [str(damage)]


def _wrong_rows(dataset: DatasetVersion, index: layers.Index) -> list[str]:
    digests = dict(zip(index.items.tolist(), index.digests, strict=True))
    wrong = [
        row["item"]
        for page in dataset_pages(dataset, size=PAGE)
        for row in page
        if line_digest(row) != digests.pop(row["item"]).tobytes()
    ]
    problems = [f"Checksum mismatch: the row of item {item} was changed." for item in wrong[:10]]
    return problems + ([f"{len(digests):,} rows are missing."] if digests else [])
