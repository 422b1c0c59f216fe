"""Test compiled loops with and without a folder for their machine code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import selector
from selector.compiled import Threads

PICK = """
import importlib, pkgutil
import numba, numpy as np
import probe, selector

assert selector.__file__.startswith({folder!r}), selector.__file__
try:
    numba.njit(cache=True)(probe.function)
except RuntimeError:
    pass
else:
    raise AssertionError("numba has found a folder, so nothing is tested here")
for module in pkgutil.walk_packages(selector.__path__, "selector."):
    importlib.import_module(module.name)
from selector.cluster_margin import select
print(select([.3, .1, .2], [0, 0, 1], batch_size=3, candidate_factor=1, rng=np.random.default_rng(0)).passes.tolist())
"""


@pytest.mark.long
def test_without_a_folder_to_keep_machine_code_in_everything_is_imported_and_picks(tmp_path):
    """In this copy of the package, files stand where numba would create folders."""
    package = tmp_path / "selector"
    shutil.copytree(Path(selector.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "probe.py").write_text("def function():\n    pass\n")
    for folder in (tmp_path, package, package / "strategies"):
        (folder / "__pycache__").touch()
    taken = tmp_path / "no-folder"
    taken.touch()
    done = subprocess.run(
        [sys.executable, "-c", PICK.format(folder=str(tmp_path))],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(taken), "XDG_CACHE_HOME": str(taken), "NUMBA_CACHE_DIR": "", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[0, 0, 1]"


def test_where_the_system_cannot_say_which_cores_a_process_may_use_there_are_threads_all_the_same(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with Threads() as threads:
        assert threads.count == os.cpu_count()
        assert list(threads.map(max, [(1, 2), (4, 3)])) == [2, 4]
