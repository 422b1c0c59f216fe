"""Test the helper that runs pieces of work in parallel processes."""

import math
import os

import pytest

from benchmarks.measuring import side_by_side


@pytest.mark.parametrize("processes", [1, 2])
def test_each_piece_of_work_is_done_once_and_an_error_comes_back(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    assert sorted(side_by_side(math.sqrt, [4.0, 9.0, 16.0], processes)) == [(4, 2), (9, 3), (16, 4)]
    with pytest.raises(ValueError, match="domain"):
        [*side_by_side(math.sqrt, [4.0, -1.0], processes)]
    assert dict(side_by_side(os.getenv, ["OMP_NUM_THREADS"], processes)) == {
        "OMP_NUM_THREADS": "1" if processes > 1 else "2"
    }
