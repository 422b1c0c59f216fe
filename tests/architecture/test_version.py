"""Test that the version is declared in one place, which all other code reads."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.test import Client

from labeling.models import User
from models_store import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    titles = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    (unreleased, _), (newest, day), *_ = titles
    assert unreleased == "Unreleased"
    assert newest == __version__
    assert re.fullmatch(r" - \d{4}-\d\d-\d\d", day)


@pytest.mark.django_db
def test_all_read_the_version(client: Client) -> None:
    done = subprocess.run([sys.executable, "manage.py", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"Marginalia {__version__}\n", done.stderr
    assert client.get("/api/schema/?format=json").json()["info"]["version"] == __version__
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "models_store.__version__"}
    client.force_login(User.objects.create_user("ann"))
    assert f"the OpenAPI 3 schema of Marginalia {__version__} as" in client.get("/api/docs/").content.decode()
