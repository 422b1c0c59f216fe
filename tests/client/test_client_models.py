"""Test that the client lists model versions, saves their files, and lets them predict."""

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from draining import drain
from factories import make_member, make_project
from knox.models import AuthToken
from predicting.trained import text_rows, trained_project, write_rows
from pytest_django.live_server_helper import LiveServer

from labeling.models import PredictionRun, Project, Role
from marginalia_client import AsyncMarginalia, Failed, Marginalia, NotFound, TimedOut, running

torch.set_num_threads(1)

NEW = [{"id": "a", "text": "ball goal team"}, {"id": "b", "text": "soup bread"}, {"id": "c", "text": ""}]


class Clock:
    """The client's clock: while the client sleeps, the worker runs."""

    def sleep(self, seconds: float) -> None:
        drain()


@pytest.fixture
def trained(transactional_db: None, tmp_path: Path) -> Project:
    return trained_project(write_rows(tmp_path / "texts.jsonl", text_rows()))


@pytest.fixture
def server(live_server: LiveServer, trained: Project) -> Iterator[Marginalia]:
    token = AuthToken.objects.create(make_member(trained, "enzo", Role.ENGINEER))[1]
    with Marginalia(live_server.url, token) as server:
        yield server


@pytest.mark.long
def test_a_version_predicts_rows_that_do_not_become_items(
    live_server: LiveServer, server: Marginalia, trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "time", Clock())
    models = server.project("p").models
    assert [version.number for version in models.list()] == [1]
    version = models.latest()
    assert (version.number, version.in_use, models.get(1).fields) == (1, True, version.fields)
    before = trained.items.count()

    predictions = version.predict(NEW, probabilities=True, progress=True)
    assert (predictions.predicted, predictions.rejected) == (2, 1)
    assert [each["where"] for each in predictions.rejections] == ["line 3"]
    assert [(row["external_id"], row["label"]) for row in predictions] == [("a", "sport"), ("b", "food")]
    assert list(predictions.to_pandas()["label"]) == ["sport", "food"]
    assert predictions.save(tmp_path / "predictions.csv").read_text().count("\n") == 3
    assert trained.items.count() == before

    with zipfile.ZipFile(version.save(tmp_path / "version.zip")) as archive:
        assert "model.safetensors" in archive.namelist()

    monkeypatch.undo()
    with pytest.raises(TimedOut, match=r"^The prediction was not done after 0\.2 seconds\.$"):
        version.predict(NEW, timeout=0.2)
    assert PredictionRun.objects.count() == 2

    token = AuthToken.objects.create(make_member(trained, "eva", Role.ENGINEER))[1]

    async def asks() -> list[Any]:
        async with AsyncMarginalia(live_server.url, token) as server:
            version = await server.project("p").models.latest()
            predictions = await version.predict(NEW[:2])
            return [row["label"] async for row in predictions]

    async def sleeps(seconds: float) -> None:
        await asyncio.to_thread(drain)

    monkeypatch.setattr(running.asyncio, "sleep", sleeps)
    assert asyncio.run(asks()) == ["sport", "food"]


@pytest.mark.long
def test_a_failed_prediction_says_why(server: Marginalia, trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        def sleep(self, seconds: float) -> None:
            PredictionRun.objects.update(state="failed", reason="The disk is full.")

    monkeypatch.setattr(running, "time", Fails())
    with pytest.raises(Failed, match=r"^The prediction failed: The disk is full\.$"):
        server.project("p").models.latest().predict(NEW)
    make_member(make_project("untrained"), "enzo", Role.ENGINEER)
    with pytest.raises(NotFound, match=r"^There is no model version yet"):
        server.project("untrained").models.latest()


@pytest.mark.long
def test_the_predictions_of_a_model_elsewhere_become_a_version(
    live_server: LiveServer, trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "time", Clock())
    token = AuthToken.objects.create(make_member(trained, "mona", Role.MANAGER))[1]
    ids = list(trained.items.values_list("external_id", flat=True))
    p = np.tile([0.2, 0.8], (len(ids), 1))
    with Marginalia(live_server.url, token) as server:
        models = server.project("p").models
        version = models.hand_in(ids, probabilities=p, classes=["food", "sport"], embeddings=p)
        assert (version.number, version.fields["origin"]) == (2, "given")
        assert version.measured_blind()["in_place_of_person"]["passes"] is None
        with pytest.raises(NotFound):
            models.get(1).measured_blind()
        with pytest.raises(Failed, match="1 item has no prediction"):
            models.hand_in(ids[1:], margins=p[1:, 0])
