"""Test a prediction run that one host begins and another ends, with the object store between them: each row occurs
once.
"""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from factories import make_member
from hosts import Hosts
from rest_framework.test import APIClient
from trained import text_rows, trained_project, write_rows

from labeling.loop.step import Step
from labeling.models import Job, PredictionRun, Role
from labeling.steps import predict
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

# Three chunks, and a row in each that is no item.
ROWS = text_rows(n=1200)
for bad in (10, 600, 1100):
    ROWS[bad] = {"id": f"t{bad}", "text": ""}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def hosts(tmp_path: Path, settings: Any) -> Hosts:
    return Hosts(tmp_path, settings, f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def client(hosts: Hosts, tmp_path: Path) -> APIClient:
    """Return a client whose file was uploaded to host a, where the model was trained."""
    project = trained_project(write_rows(tmp_path / "texts.jsonl", text_rows()))
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    content = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    file = SimpleUploadedFile("more.jsonl", content)
    answer = client.post("/api/v1/projects/p/models/1/predict/", {"file": file}, format="multipart")
    assert answer.status_code == 202, answer.content
    return client


def taken(worker: str) -> Job:
    job = Job.objects.get(kind=Job.Kind.PREDICT)
    Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING)
    job.refresh_from_db()
    assert Job.objects.take(job, f"{worker}:1:a", job.run_after)
    return job


def give_way(hosts: Hosts, number: int, _: pytest.MonkeyPatch) -> None:
    """Predict one chunk on this host, then give way."""
    hosts.go(number)
    Worker(run_step).execute(Step(taken(f"host{number}"), stopping=lambda: True))


def be_killed(hosts: Hosts, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict and record one chunk on this host, then end without a word."""
    hosts.go(number)
    with monkeypatch.context() as patch:

        def report(*_: Any) -> None:
            raise Killed

        step = Step(taken(f"host{number}"))
        patch.setattr(step, "progress", lambda phase, **_: report if phase == "predicting" else lambda share: None)
        with pytest.raises(Killed):
            predict.predict(step)


def check_end(hosts: Hosts, number: int, client: APIClient) -> None:
    hosts.go(number)
    Worker(run_step).execute(Step(taken(f"host{number}")))
    run = PredictionRun.objects.get()
    assert (run.state, run.reason) == ("done", "")
    assert (run.position, run.predicted, run.rejected, len(run.rejections)) == (1200, 1197, 3, 3)
    assert not [name for name in hosts.stored("uploads") if name], "the file has been worked on"
    for other in range(3):
        hosts.go(other)
        answer = client.get(f"/api/v1/projects/p/predictions/{run.pk}/result/")
        rows = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
        assert [row["external_id"] for row in rows] == [f"t{n}" for n in range(1200) if n not in (10, 600, 1100)]


TURNS = [
    ([(give_way, 1), (be_killed, 2), (be_killed, 2)], 1200, 2),  # where it was killed it goes on
    ([(give_way, 1), (give_way, 2)], 1000, 0),
    ([(be_killed, 1)], 500, 2),  # nothing is left to go on with
    ([(give_way, 1), (be_killed, 2), (be_killed, 0)], None, 1),  # it begins anew elsewhere
]


@pytest.mark.parametrize(("turns", "position", "last"), some(TURNS), ids=range(len(some(TURNS))))
def test_each_row_occurs_once_whoever_gives_way_or_is_killed(
    hosts: Hosts, client: APIClient, monkeypatch: pytest.MonkeyPatch, turns: Any, position: int | None, last: int
) -> None:
    for turn, number in turns:
        turn(hosts, number, monkeypatch)
    assert position in (None, PredictionRun.objects.get().position)
    check_end(hosts, last, client)


@pytest.mark.long
def test_the_job_is_nobody_elses_before_the_result_is_in_the_store(
    hosts: Hosts, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    publish = predict.store().publish

    def watched(path: Path) -> None:
        states.append(Job.objects.get(kind=Job.Kind.PREDICT).state)
        publish(path)

    hosts.go(0)
    monkeypatch.setattr(predict.store(), "publish", watched)
    give_way(hosts, 0, monkeypatch)
    assert states == [Job.State.RUNNING]
