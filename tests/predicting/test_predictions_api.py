"""Test prediction runs over HTTP: a file is uploaded, a worker predicts it, and the result can be downloaded for some
days.
"""

import csv
import datetime
import io
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone
from draining import drain
from factories import DIGITS, digit_png, make_member
from processes import wait_until, worker
from rest_framework.test import APIClient
from snapshots import Snapshot
from trained import CLASSES, on_file, text_rows, trained_project, write_rows

from labeling.intake import uploads
from labeling.loop.step import Step
from labeling.models import Item, Job, PredictionRun, Project, Role
from labeling.models.predictions import KEPT
from labeling.outgoing import predictions
from labeling.steps import predict as run
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db(transaction=True)
ASK = "/api/v1/projects/p/models/1/predict/"


def engineer(project: Project) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, "enzo", Role.ENGINEER))
    return client


@pytest.fixture
def project(snapshot: Snapshot, tmp_path: Path) -> Project:
    if not snapshot.lay():
        trained_project(write_rows(tmp_path / "texts.jsonl", text_rows()))
        snapshot.keep()
    return Project.objects.get()


def fetched(client: APIClient, body: dict[str, Any], form: str = "jsonl") -> bytes:
    response = client.get(f"{client.get(body['url']).json()['result_url']}?format={form}")
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


@pytest.mark.long
def test_a_list_of_items_is_predicted_as_in_the_pool(project: Project) -> None:
    client = engineer(project)
    response = client.post(f"{ASK}?probabilities=true", text_rows(), format="json")
    assert response.status_code == 202, response.content
    body = response.json()
    assert (body["state"], body["version"], body["result_url"], body["expires_at"]) == ("waiting", 1, None, None)
    assert client.get(f"{body['url']}result/").json()["code"] == "conflict"
    drain()
    body = client.get(body["url"]).json()
    assert (body["state"], body["predicted"], body["rejected"], body["total"]) == ("done", 60, 0, 60)
    rows = [json.loads(line) for line in fetched(client, body).splitlines()]
    said = on_file(project)
    assert {row["external_id"]: row["label"] for row in rows} == {
        name: CLASSES[int(each["best"])] for name, each in said.items()
    }
    assert [row["confidence"] for row in rows] == pytest.approx(
        [said[row["external_id"]]["confidence"] for row in rows], abs=1e-5
    )
    cells = list(csv.DictReader(io.StringIO(fetched(client, body, "csv").decode())))
    table = pq.read_table(io.BytesIO(fetched(client, body, "parquet")))
    assert [cell["p_sport"] for cell in cells] == [str(row["probabilities"]["sport"]) for row in rows]
    assert pa.ipc.open_stream(fetched(client, body, "arrow")).read_all() == table
    assert table["p_sport"].to_numpy() == pytest.approx(np.array([row["probabilities"]["sport"] for row in rows]))
    assert Item.objects.count() == 60, "none entered the pool"
    assert list(uploads.folder().iterdir()) == [], "the file is gone"


BAD_ROWS = [
    ("a.csv", b"id,text\n1,ball\n2,\n", 1, 1),
    ("a.jsonl", b'{"text": "ball"}\nnonsense\n{"text": "soup"}\n', 2, 1),
    ("a.jsonl", b"nonsense\n", 0, 1),
]


def sent_file(client: APIClient, name: str, content: bytes) -> dict[str, Any]:
    """Have the file predicted, and return the finished run."""
    sent = client.post(ASK, {"file": SimpleUploadedFile(name, content)}, format="multipart").json()
    drain()
    return dict(client.get(sent["url"]).json())


def test_bad_rows_are_left_out_and_told(project: Project) -> None:
    client = engineer(project)
    for name, content, good, bad in BAD_ROWS:
        body = sent_file(client, name, content)
        told = (body["state"], body["predicted"], body["rejected"], len(body["rejections"]))
        assert told == ("done", good, bad, bad), content
        assert fetched(client, body).count(b"\n") == good
        assert len(fetched(client, body, "csv").splitlines()) == good + 1
        assert pq.read_table(io.BytesIO(fetched(client, body, "parquet"))).num_rows == good


UNREADABLE = [
    ("a.csv", "id,text\n1,x\n".encode("utf-16"), "UTF-8"),
    ("a.exe", b"MZ\x90", "not read"),
    ("a.parquet", b"PAR1nonsense", "a.parquet"),
    ("a.npy", b"\x93NUMPY\x01\x00", "for projects of kind vector"),
    ("a.csv", b"words\nx\n", "text"),
]


def test_a_file_that_cannot_be_read_fails_with_one_line(project: Project) -> None:
    client = engineer(project)
    for name, content, says in UNREADABLE:
        body = sent_file(client, name, content)
        assert body["state"] == "failed", content
        assert says in body["reason"]
        assert "\n" not in body["reason"]
        assert client.get(f"{body['url']}result/").json() == {"code": "conflict", "detail": body["reason"]}


def test_a_file_that_names_files_of_the_server_reads_none_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.png").write_bytes(digit_png(number))
    (folder / "metadata.jsonl").write_text(
        "".join(f'{{"file_name": "{n}.png", "truth": "{n % 10}"}}\n' for n in range(60))
    )
    client = engineer(trained_project(folder, kind="image", classes=DIGITS))
    (uploads.folder() / "somebody's.png").write_bytes(digit_png(1))
    body = [{"image": str(folder / "1.png")}, {"image": "somebody's.png"}, {"image": "../media/x.png"}]
    sent = client.post(ASK, body, format="json").json()
    drain()
    told = client.get(sent["url"]).json()
    assert (told["predicted"], told["rejected"]) == (0, 3)


def test_what_is_no_file_and_no_version_is_refused(project: Project) -> None:
    client = engineer(project)
    assert client.post(ASK, {"strict": "1"}, format="multipart").status_code == 400
    assert client.post(ASK, b"<xml/>", content_type="text/xml").status_code in (400, 415)
    assert client.post(ASK, b"", content_type="application/x-ndjson").status_code == 400
    assert client.post("/api/v1/projects/p/models/9/predict/", [], format="json").status_code == 404
    assert client.get("/api/v1/projects/p/predictions/77/").status_code == 404
    sent = client.post(ASK, [{"text": "ball"}], format="json").json()
    assert client.get(f"{sent['url']}result/?format=xml").json()["fields"].keys() == {"format"}
    assert client.post(f"{ASK}?probabilities=perhaps", [], format="json").status_code == 400


def test_uploads_and_results_that_are_too_large_and_too_many_are_refused(
    project: Project, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = engineer(project)
    with monkeypatch.context() as patched:
        patched.setattr(run, "MOST_BYTES", 5000)
        sent = client.post(ASK, [{"text": "ball"}] * 600, format="json").json()
        drain()
        assert "use the command `predict`" in client.get(sent["url"]).json()["reason"]
    settings.MAX_UPLOAD_MB = 1
    large = SimpleUploadedFile("a.csv", b"text\n" + b"ball\n" * 300_000)
    response = client.post(ASK, {"file": large}, format="multipart")
    assert response.status_code == 400
    assert "larger than 1 MB" in response.json()["detail"]
    for _ in range(predictions.MOST_WAITING):
        assert client.post(ASK, [{"text": "ball"}], format="json").status_code == 202
    assert client.post(ASK, [{"text": "ball"}], format="json").status_code == 409


def test_results_go_after_a_time_and_when_there_are_too_many(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    client = engineer(project)
    first = client.post(ASK, [{"text": "ball"}], format="json").json()
    drain()
    path = ProjectFiles(project).owned(PredictionRun.objects.get())
    assert path.exists()
    PredictionRun.objects.update(finished_at=timezone.now() - KEPT - datetime.timedelta(minutes=1))
    assert client.get(first["url"]).status_code == 404, "its time is over, whether or not a worker has been by"
    Worker(run_step, sweeps=[predictions.remove_expired]).look_around()
    assert not path.exists()
    assert not PredictionRun.objects.exists()
    monkeypatch.setattr(predictions, "MOST_KEPT", 2)
    for _ in range(4):
        client.post(ASK, [{"text": "ball"}], format="json")
        drain()
    assert len(client.get("/api/v1/projects/p/predictions/").json()) == 2
    assert len(list(path.parent.iterdir())) == 2


def test_removed_while_it_waits_when_it_is_done_and_while_a_worker_is_at_it(project: Project) -> None:
    client = engineer(project)
    sent = client.post(ASK, [{"text": "ball"}], format="json").json()
    assert client.delete(sent["url"]).status_code == 204
    assert not Job.objects.filter(kind=Job.Kind.PREDICT).exists()
    assert list(uploads.folder().iterdir()) == []
    sent = client.post(ASK, [{"text": "ball"}], format="json").json()
    drain()
    assert client.delete(sent["url"]).status_code == 204
    folder = ProjectFiles(project).root / "predictions"
    assert list(folder.iterdir()) == []
    client.post(ASK, [{"text": "ball"}] * 600, format="json")
    job = Job.objects.get(kind=Job.Kind.PREDICT, state=Job.State.WAITING)
    Job.objects.take(job, "somewhere:1:x", job.run_after)

    class Removing(Step):
        def report(self, phase: str, share: float) -> None:
            if phase.startswith("predicting"):
                predictions.remove_run(PredictionRun.objects.get())
            super().report(phase, share)

    Worker(run_step).execute(Removing(job))
    assert list(folder.iterdir()) == []
    assert not Job.objects.filter(kind=Job.Kind.PREDICT, state=Job.State.WAITING).exists()
    assert not PredictionRun.objects.exists()


def test_a_long_one_gives_way_and_goes_on_where_it_was(project: Project) -> None:
    client = engineer(project)
    sent = client.post(ASK, [{"text": f"ball {n}"} for n in range(1200)], format="json").json()
    job = Job.objects.get(kind=Job.Kind.PREDICT)
    for turn in (1, 2):
        Job.objects.take(job, f"somewhere:{turn}:x", job.run_after)
        Worker(run_step).execute(Step(job, stopping=lambda: True))
        job.refresh_from_db()
        assert (job.state, client.get(sent["url"]).json()["position"]) == ("waiting", 500 * turn)
    path = ProjectFiles(project).owned(PredictionRun.objects.get())
    with path.open("ab") as file:  # as an attempt that was killed leaves it
        file.write(b'{"where": "line 1001", "external')
    drain()
    ids = [json.loads(line)["external_id"] for line in fetched(client, sent).splitlines()]
    assert [each.rpartition(":")[2] for each in ids] == [str(n) for n in range(1, 1201)]


@pytest.mark.long
def test_a_worker_killed_in_the_midst_of_it(project: Project, tmp_path: Path) -> None:
    client = engineer(project)
    rows = [{"id": str(n), "text": f"ball {n} goal"} for n in range(5_000)]
    sent = client.post(ASK, rows, format="json").json()
    with worker() as process:
        wait_until(lambda: PredictionRun.objects.get().position > 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < PredictionRun.objects.get().position < 5_000, "it was over before it could be killed"
    Worker(run_step).look_around()  # it takes up what the other left
    drain()
    out = tmp_path / "out.jsonl"
    call_command("predict", "p", str(write_rows(tmp_path / "rows.jsonl", rows)), "--output", str(out))
    told = [json.loads(line) for line in fetched(client, sent).splitlines()]
    alone = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [row["external_id"] for row in told] == [str(n) for n in range(5_000)]
    assert [row["label"] for row in told] == [row["label"] for row in alone]
    assert [row["margin"] for row in told] == pytest.approx([row["margin"] for row in alone], abs=1e-5)
