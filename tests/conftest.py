"""What every suite needs."""

from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A machine that is busy with other things is no fault of what is tested.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Path:
    """An empty data folder of the test's own: row numbers come again from test to test, and so would file names."""
    folder = tmp_path / "data"
    folder.mkdir()
    settings.DATA_DIR = folder
    settings.MEDIA_ROOT = folder / "media"
    # Nothing is collected for tests: the live server finds static files where they are written.
    settings.STATIC_ROOT = folder / "static_root"
    settings.STATIC_ROOT.mkdir()
    return folder
