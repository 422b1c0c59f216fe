"""Test that the notebook of the documentation runs from its first cell to its last, against a server with a worker."""

import json
from pathlib import Path
from typing import Any

import pytest
from processes import worker
from pytest_django.live_server_helper import LiveServer

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/tutorial/client.ipynb"


@pytest.mark.long
@pytest.mark.slow
def test_it_runs(live_server: LiveServer, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_URL", live_server.url)
    monkeypatch.setenv("MARGINALIA_TOKEN", token)
    names: dict[str, Any] = {}
    with worker():
        for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)
    assert len(names["labels"]) == 60
    assert names["right"].mean() > 0.6
