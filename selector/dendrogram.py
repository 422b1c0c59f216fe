"""The merges of a clustering: cut into clusters, saved and loaded."""

import hashlib
import lzma
import os
import struct
import uuid
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from selector.checks import factor, level, whole_number
from selector.compiled import compiled
from selector.vectors import check_metric

_FORMAT = "marginalia-dendrogram"
_VERSION = 1

# Everything that reading a zip archive of arrays raises on bytes that are not one.
_DAMAGE = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True, eq=False)
class Dendrogram:
    """The n - 1 merges of n items, lowest first. Its arrays are read-only.

    Parameters
    ----------
    size : int
        n.
    merges : ndarray of shape (n - 1, 2), int64
        The two clusters of each merge. Ids below n are items; n + i is the cluster that merge i made.
    heights : ndarray of shape (n - 1,), float64
        The average distance of each merge, never falling.
    metric : str
        The distance of the heights.

    Raises
    ------
    ValueError
        If the merges do not make one tree of all items.
    """

    size: int
    merges: NDArray[np.int64]
    heights: NDArray[np.float64]
    metric: str

    def __post_init__(self) -> None:
        check_metric(self.metric)
        for name, dtype in (("merges", np.int64), ("heights", np.float64)):
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check_tree(self.size, self.merges, self.heights)

    def cut(
        self,
        *,
        mean_cluster_size: float | None = None,
        clusters: int | None = None,
        threshold: float | None = None,
    ) -> NDArray[np.int64]:
        """Cut the tree into clusters, by exactly one of the parameters. Takes O(n) time.

        Parameters
        ----------
        mean_cluster_size : float, optional
            At least 1: cut into round(n / mean_cluster_size) clusters, at least one.
        clusters : int, optional
            The number of clusters, from 1 to n; any number if there are no items.
        threshold : float, optional
            Make all merges up to and including this height.

        Returns
        -------
        ndarray of shape (n,), int64
            The cluster of each item. Clusters are numbered 0, 1, 2 … by their first item.

        Raises
        ------
        ValueError
            If not exactly one parameter is given, or if it is out of range.
        """
        made = self._merges_made(mean_cluster_size, clusters, threshold)
        return _clusters(self.size, self.merges[:made])

    def height_at(self, *, mean_cluster_size: float | None = None, clusters: int | None = None) -> float:
        """Return the height of the highest merge of a cut, 0 if it makes none. Parameters as for `cut`.

        Cutting at this threshold gives the same clusters, except for merges at exactly equal heights.
        """
        made = self._merges_made(mean_cluster_size, clusters, None)
        return float(self.heights[made - 1]) if made else 0.0

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hex: equal for equal dendrograms on all machines."""
        content = hashlib.sha256(f"{_FORMAT} {_VERSION} {self.metric} {self.size}\n".encode())
        content.update(np.ascontiguousarray(self.merges, dtype="<i8").data)
        content.update(np.ascontiguousarray(self.heights, dtype="<f8").data)
        return content.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path`, whole or not at all: an earlier file stays until the new file is complete on disk.

        The file is an .npz archive without pickles: `format` ("marginalia-dendrogram"), `version` (1), `metric`,
        `size`, `merges` (int64), `heights` (float64), all as above, and `digest`.
        """
        path = Path(path)
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with unfinished.open("xb") as file:
                np.savez(
                    file,
                    format=_FORMAT,
                    version=_VERSION,
                    metric=self.metric,
                    size=self.size,
                    merges=self.merges.astype("<i8"),
                    heights=self.heights.astype("<f8"),
                    digest=self.digest,
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of `save`. Raises ValueError if it is damaged or newer, OSError if it cannot be opened."""
        with Path(path).open("rb") as file:
            try:
                fields = _read_fields(file)
                dendrogram = cls(int(fields["size"]), fields["merges"], fields["heights"], str(fields["metric"]))
                if dendrogram.digest != str(fields["digest"]):
                    raise ValueError("its content does not match its digest")
            except _DAMAGE as error:
                raise ValueError(f"{path} cannot be read as a dendrogram: {error}") from error
        return dendrogram

    def _merges_made(self, mean_cluster_size: float | None, clusters: int | None, threshold: float | None) -> int:
        """Return the number of merges, lowest first, that a cut makes."""
        if sum(value is not None for value in (mean_cluster_size, clusters, threshold)) != 1:
            raise ValueError("give exactly one of mean_cluster_size, clusters and threshold")
        if threshold is not None:
            return int(np.searchsorted(self.heights, level(threshold, "threshold"), side="right"))
        if mean_cluster_size is not None:
            kept = max(round(self.size / factor(mean_cluster_size, "mean_cluster_size")), 1)
        else:
            kept = whole_number(clusters, "clusters", least=1)
        if kept > self.size > 0:
            raise ValueError(f"clusters must be at most the number of items, {self.size}, not {kept}")
        return max(self.size - kept, 0)


def _check_tree(size: int, merges: NDArray[np.int64], heights: NDArray[np.float64]) -> None:
    count = max(whole_number(size, "size", least=0) - 1, 0)
    if merges.shape != (count, 2) or heights.shape != (count,):
        raise ValueError(f"{size} items need {count} merges, not {merges.shape} with heights {heights.shape}")
    if not np.isfinite(heights).all() or (heights < 0).any() or (np.diff(heights) < 0).any():
        raise ValueError("heights must be finite, at least 0 and never fall")
    known = size + np.arange(count)[:, None]
    merged = np.zeros(2 * count, bool)
    right = bool((merges >= 0).all() and (merges < known).all())
    if right:
        merged[merges] = True
    if not right or not merged.all():
        raise ValueError("each item and each merged cluster must be merged once, and only after it is made")


@compiled
def _clusters(size: int, merges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cluster of each of `size` items once `merges` are made, numbered in the order of their first items."""
    top = np.arange(size + len(merges))
    for made in range(len(merges) - 1, -1, -1):  # what a merge made is merged later, so its top is known
        top[merges[made, 0]] = top[merges[made, 1]] = top[size + made]
    number = np.full(size + len(merges), -1)
    clusters = np.empty(size, np.int64)
    count = 0
    for item in range(size):
        if number[top[item]] < 0:
            number[top[item]] = count
            count += 1
        clusters[item] = number[top[item]]
    return clusters


def _read_fields(file: Any) -> dict[str, NDArray[Any]]:
    """Read the arrays of an open archive, after its checksums: a damaged header may ask for any memory."""
    with zipfile.ZipFile(file) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ValueError(f"{broken} does not match its checksum")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        fields = {name: arrays[name] for name in arrays.files}
    if str(fields["format"]) != _FORMAT:
        raise ValueError(f"its format is {fields['format']}")
    if int(fields["version"]) > _VERSION:
        raise ValueError(f"its version is {fields['version']}, and this program reads up to {_VERSION}")
    return fields
