"""Compare two dataset versions: items added and removed, labels changed, by class."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.utils.translation import gettext

from labeling.models import DatasetVersion
from labeling.outgoing import layers
from labeling.outgoing.datasets.manifest import by_label, names_of
from labeling.outgoing.exports.frozen_rows import files_of, paths_of_files

LISTED = 100
MOST_FOR_PEOPLE = 2_000_000
"""The rows of two versions that a web process compares: about a second, and 300 MB."""


class TooManyRows(Exception):
    """The versions have too many rows for a web process; the text says what to do."""


@dataclass(frozen=True)
class ClassDifference:
    """The rows of one class in both versions."""

    name: str
    before: int
    after: int
    added: Annotated[int, "Of items that the earlier version does not have."]
    removed: Annotated[int, "Of items that the later version does not have."]
    gained: Annotated[int, "Of items that had another label."]
    lost: Annotated[int, "Of items that have another label now."]


class LabelChange(NamedTuple):
    """The number of items that had one label and have another."""

    before: str
    after: str
    items: Annotated[int, (1, None)]


@dataclass(frozen=True)
class Comparison:
    """The differences between two dataset versions."""

    added: Annotated[int, "Items that the earlier version does not have."]
    removed: Annotated[int, "Items that the later version does not have."]
    relabeled: Annotated[int, "Items with another label."]
    otherwise_changed: Annotated[int, "Items with the same label, of which another column differs."]
    classes: list[ClassDifference]
    changes: Annotated[list[LabelChange], "The most frequent changes of labels, at most 100."]
    items: Annotated[list[int], "The ids of relabeled items, at most 100."]


def compare_for_people(before: DatasetVersion, after: DatasetVersion) -> Comparison:
    """Compare versions in a request. Raises `TooManyRows` above `MOST_FOR_PEOPLE`."""
    if before.rows + after.rows > MOST_FOR_PEOPLE:
        raise TooManyRows(
            gettext(
                "These versions have %(rows)s rows together. Compare them on the server: manage.py dataset %(slug)s "
                "--compare %(after)s --with %(before)s"
            )
            % {
                "rows": f"{before.rows + after.rows:,}",
                "slug": after.project.slug,
                "after": after.name,
                "before": before.name,
            }
        )
    return compare(before, after)


def compare(before: DatasetVersion, after: DatasetVersion) -> Comparison:
    """Compare two whole versions of one project. Raises `FileMissing` or `FileDamaged`."""
    old, new = (layers.index_of(paths_of_files(files_of(version)), ["label"]) for version in (before, after))
    asks, places = after.project.asks, new.places(old.items)
    common = places >= 0
    was, is_now = _labels(old, np.flatnonzero(common)), _labels(new, places[common])
    same = pc.fill_null(pc.equal(was, is_now), False).to_numpy(zero_copy_only=False)
    moved = ~(same | (was.is_null().to_numpy(zero_copy_only=False) & is_now.is_null().to_numpy(zero_copy_only=False)))
    differs = (old.digests[common] != new.digests[places[common]]).any(axis=1)
    at = pa.array(np.flatnonzero(moved))
    changes = Counter(zip(was.take(at).to_pylist(), is_now.take(at).to_pylist(), strict=True))
    added = by_label(asks, _labels(new, np.flatnonzero(old.places(new.items) < 0)))
    removed = by_label(asks, _labels(old, np.flatnonzero(~common)))
    lost, gained = (Counter[str](), Counter[str]())
    for (from_label, to_label), n in changes.items():
        from_names, to_names = set(names_of(asks, from_label)), set(names_of(asks, to_label))
        lost.update(dict.fromkeys(from_names - to_names, n))
        gained.update(dict.fromkeys(to_names - from_names, n))
    totals = [by_label(asks, index.table["label"]) for index in (old, new)]
    names = sorted({*totals[0], *totals[1]})
    return Comparison(
        added=int(len(new) - common.sum()),
        removed=int((~common).sum()),
        relabeled=int(moved.sum()),
        otherwise_changed=int((differs & ~moved).sum()),
        classes=[
            ClassDifference(
                name, totals[0].get(name, 0), totals[1].get(name, 0),
                added.get(name, 0), removed.get(name, 0), gained[name], lost[name],
            )
            for name in names
        ],
        changes=[
            LabelChange(", ".join(names_of(asks, a)), ", ".join(names_of(asks, b)), n)
            for (a, b), n in changes.most_common(LISTED)
        ],
        items=old.items[common][moved][:LISTED].tolist(),
    )  # fmt: skip


def _labels(index: layers.Index, places: np.ndarray) -> pa.Array:
    return index.table["label"].take(pa.array(places, pa.int64())).combine_chunks()
