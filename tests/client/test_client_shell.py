"""Test that the client's command sends requests, files and credentials, waits, and names mistakes in one line."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from draining import drain
from pools import make_certificate, pool_project

from labeling.models import Finish, Project, Registration, Role, Source
from marginalia_client import running
from marginalia_client.__main__ import main


class Clock:
    """The client's clock: while the client sleeps, the worker runs."""

    def sleep(self, seconds: float) -> None:
        drain()


@pytest.fixture
def shell(live_server: Any, token: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., Any]:
    """Return a function that calls the command, and returns its exit status and the response or the mistake."""
    monkeypatch.setenv("MARGINALIA_URL", live_server.url)
    monkeypatch.setenv("MARGINALIA_TOKEN", token)
    monkeypatch.setattr(running, "time", Clock())

    def shell(*arguments: str) -> tuple[int, Any]:
        status = main(arguments)
        out, mistake = capsys.readouterr()
        # The server, in this process, may write to stderr, too: only a failed command has a mistake there.
        return status, json.loads(out) if out else mistake if status else ""

    return shell


def test_values_are_json_or_text(shell: Callable[..., Any], project: Project) -> None:
    status, changed = shell("PATCH", "projects/digits/", "name=Numbers", "batch_size=321")
    assert (status, changed["name"], changed["batch_size"]) == (0, "Numbers", 321)
    assert shell("PATCH", "projects/digits/", 'name="12"')[1]["name"] == "12"
    assert shell("GET", "projects/digits/items/", "page_size=1")[1]["results"] == []
    assert shell("PATCH", "projects/digits/", "batch_size=-1") == (
        1,
        "batch_size: Ensure this value is greater than or equal to 1.\n",
    )
    assert "does not exist" in shell("GET", "projects/birds/")[1]


def test_a_goal_is_forecast_started_and_stopped(
    shell: Callable[..., Any], project: Project, token_of: Callable[[str], str]
) -> None:
    pool = pool_project()
    make_certificate(pool.versions.get())
    pool.memberships.create(user=project.memberships.get().user, role=Role.MANAGER)
    finish = "projects/pool/finish/"
    assert shell("GET", finish, "error=0.05")[1]["forecast"]["labels"]
    assert not Finish.objects.exists()
    assert shell("POST", finish, "error=0.05")[1]["running"]
    assert shell("DELETE", finish)[0] == 0
    assert not Finish.objects.get().running


def test_credentials_come_from_a_file(shell: Callable[..., Any], project: Project, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"credentials": {"key": "k", "secret": "s"}}')
    fields = ("name=cameras", "address=s3://bucket", "content=files", 'options={"region": "eu-central-1"}')
    status, added = shell("POST", "projects/digits/sources/", *fields, "--body", str(tmp_path / "keys.json"))
    assert (status, added["has_credentials"], added["options"]) == (0, True, {"region": "eu-central-1"})
    assert shell("DELETE", f"projects/digits/sources/{added['id']}/") == (0, "")
    assert not Source.objects.exists()
    assert shell("POST", "projects/digits/sources/", "--body", str(tmp_path / "none.json"))[0] == 1


def test_a_folder_is_sent_as_a_zip_and_awaited(shell: Callable[..., Any], project: Project, tmp_path: Path) -> None:
    (tmp_path / "my model").mkdir()
    (tmp_path / "my model" / "manifest.json").write_text("[")
    status, ended = shell("POST", "projects/digits/registrations/", "--file", str(tmp_path / "my model"), "--wait")
    assert (status, ended["state"], ended["name"]) == (1, "failed", "my model.zip")
    assert ended["reason"] == Registration.objects.get().reason


def test_a_response_becomes_a_file_and_without_a_server_it_says_so(
    shell: Callable[..., Any], project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.zip"
    assert shell("GET", "projects/digits/export/", "format=huggingface", "--output", str(path)) == (0, "")
    assert "README.md" in zipfile.ZipFile(path).namelist()
    monkeypatch.delenv("MARGINALIA_URL")
    said = "'' is not the address of a server: it begins with http:// or https://.\n"
    assert shell("GET", "projects/") == (1, said)
