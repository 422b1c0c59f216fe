"""Test that the search for neighbours in shards gives the same lists as in one process, bit for bit."""

import numpy as np
import pytest
from apart import Apart

from selector import joining, neighbours
from selector.joining import nearest
from selector.linkage import average_linkage
from tests.extent import some


def pool(rows: int, seed: int = 5) -> np.ndarray:
    """Return groups with copies of some rows, so that the order of ties is tested, too."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 12))[rng.integers(40, size=rows)] + rng.normal(scale=0.3, size=(rows, 12))
    points[rows // 2 : rows // 2 + 100] = points[:100]
    return points.astype(np.float32)


@pytest.mark.long
@pytest.mark.parametrize("metric", some(["cosine", "sqeuclidean"]))
def test_dendrogram_of_shards_is_the_same(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 1000)  # trees at all levels but the last
    monkeypatch.setattr("selector.sharded.ALL_PAIRS", 1000)
    points = pool(6000)
    shares: list[float] = []
    apart = average_linkage(points, metric=metric, workers=Apart(), progress=lambda phase, share: shares.append(share))
    assert apart.digest == average_linkage(points, metric=metric).digest
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.long
def test_new_rows_join_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = pool(3000), pool(5000, seed=6)
    monkeypatch.setattr(joining, "_WORTH_SHARING", 0)
    here = nearest(new, old)
    assert np.array_equal(here, nearest(new, old, workers=Apart()))
    monkeypatch.setattr(joining, "_ALL_PAIRS", 0)  # by trees
    assert np.array_equal(nearest(new, old), nearest(new, old, workers=Apart()))


def test_a_wrong_row_is_named_by_its_place_in_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_WORTH_SHARING", 0)
    new = pool(5000)
    new[4700, 3] = np.inf
    with pytest.raises(ValueError, match=r"not a finite number \(row 4700\)"):
        nearest(new, pool(500)[:50], workers=Apart())
