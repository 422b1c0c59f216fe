"""Test the command `finish`."""

from __future__ import annotations

import io

import orjson
import pytest
from django.core.management import CommandError, call_command
from pools import make_certificate, pool_project

from labeling.models import Finish

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("finish", "pool", *arguments, stdout=out)
    return out.getvalue()


def test_it_forecasts_starts_and_stops() -> None:
    make_certificate(pool_project().versions.get())
    forecast = said("--error", "0.05")
    assert "at most 5.0% wrong, confidence 95.0%: not started" in forecast
    assert "at most 45 of 2,500 labels wrong, stands" in forecast
    assert not Finish.objects.exists()
    assert "running" in said("--error", "0.05", "--start")
    found = orjson.loads(said("--stop", "--json"))
    assert (found["running"], found["goal"]["error"]) == (False, 0.05)
    assert found["forecast"]["labels"]


def test_a_goal_that_is_none_is_refused() -> None:
    pool_project()
    for option, value in (("error", "1"), ("within", "2")):
        with pytest.raises(CommandError, match=f"{option}: "):
            said(f"--{option}", value, "--start")
        assert not Finish.objects.exists()


@pytest.mark.long
def test_it_says_where_a_goal_stands_without_a_forecast() -> None:
    project = pool_project()
    said("--start")
    project.versions.update(number=9)  # its predictions are stored under another number
    found = said()
    assert "items without one" in found
    assert "Forecast   none: Version 9 has no predictions for the pool yet." in found
