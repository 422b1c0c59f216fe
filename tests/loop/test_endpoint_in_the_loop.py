"""Test a project of texts whose features come from a server for embeddings: it is asked once for each text, whatever
happens, and nothing but the encoding waits for it.
"""

import datetime
import json
import os
import signal
import threading
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from embedder import DIM, embedder, embedding, sent_to
from factories import make_member
from predicting.trained import CLASSES, QUICK, answer_all, text_rows
from processes import ON_LINUX, worker
from receivers import Receiver, Request, receiver

from labeling.insight.status import put_off_of
from labeling.intake.uploads import receive
from labeling.models import EmbeddingServer, Job, Project, User
from labeling.outgoing import predictions
from labeling.projects.create import create_project
from labeling.projects.duplicating import duplicate
from labeling.projects.encoders import embedding_servers, encoder_change, encoder_comparison
from labeling.projects.encoders.encoder_change import choose_encoder
from labeling.steps import endpoint
from labeling.steps.features import load_encoder
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays import embedded
from labeling.storage.arrays.files import ProjectFiles
from models_store.encoders.options import Option

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setenv("OUTGOING_ALLOWED_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr(endpoint, "PAUSES", (0.01,))


def drain() -> None:
    worker = Worker(run_step)
    worker.look_around()
    while worker.run_next():
        pass


def choice(server: Receiver, **options: Any) -> dict[str, Any]:
    return {"name": "endpoint", "options": {"address": server.url, "model": "m", **options}}


def project_at(server: Receiver, *, n: int = 60, slug: str = "p", **settings: Any) -> Project:
    """Create a project whose texts go to this server, with a manager, and run the steps."""
    values = {"seed": 5, "batch_size": 20, "control_share": 0.2, "pick_ahead": None, "training": QUICK}
    project = create_project(slug=slug, kind="text", classes=CLASSES, settings={**values, **settings})
    manager = make_member(project, f"mona-{slug}", "manager")
    embedding_servers.set_server(project=project, address=server.url, key=KEY, price=0.5)
    choose_encoder(project=project, choice=choice(server))
    _import(project, manager, text_rows(n=n))
    return project


def _import(project: Project, manager: User, rows: list[dict[str, Any]]) -> None:

    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    receive(project=project, user=manager, name="rows.jsonl", chunks=[content], strict=True)
    drain()
    project.refresh_from_db()


def features_of(project: Project) -> dict[str, np.ndarray]:
    project.refresh_from_db()
    encoder = load_encoder(project)
    rows = ProjectFiles(project).features_of(rows=project.encoded_rows, dim=encoder.dim, dtype=encoder.dtype)
    kept = project.items.filter(row__isnull=False)
    return {text["text"]: rows[np.array([row])][0] for text, row in kept.values_list("data", "row")}


def job_of(project: Project, kind: str = Job.Kind.ENCODE) -> Job:
    return project.jobs.filter(kind=kind).latest("pk")


def again(project: Project) -> None:
    """Let the steps that wait begin now."""
    project.jobs.filter(state=Job.State.WAITING).update(run_after="2020-01-01T00:00Z")
    drain()


@pytest.mark.long
def test_a_model_learns_from_the_embeddings_of_a_server(caplog: Any) -> None:
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server)
        texts = set(project.items.values_list("data__text", flat=True))
        assert sorted(sent_to(server)) == sorted(["Text", *texts]), "the same text of two items is sent once"
        assert {each.headers["authorization"] for each in server.got} == {f"Bearer {KEY}"}
        for text, row in features_of(project).items():
            assert np.allclose(row, embedding(text))
        answer_all(project)
        version = project.versions.get()
        assert version.metrics["control"]["accuracy"] > 0.9
    entered = EmbeddingServer.objects.get()
    assert entered.tokens == sum(map(len, ["Text", *texts]))
    assert entered.cost == pytest.approx(0.5 * entered.tokens / 1e6)
    files = [path.read_bytes() for path in ProjectFiles(project).root.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in files)
    assert KEY not in caplog.text


def test_files_are_predicted_by_the_same_server_and_an_exported_encoder_names_it(tmp_path: Path, capsys: Any) -> None:
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server)
        answer_all(project)
        version = project.versions.get()
        server.got.clear()
        server.statuses = [429]
        server.headers = {"Retry-After": "100"}
        known, new = text_rows()[0]["text"], "a new text about cheese and soup"
        rows = [{"id": "a", "text": known}, {"id": "b", "text": new}]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        run = predictions.ask(
            probabilities=False,
            version=version,
            user=User.objects.get(username="mona-p"),
            name="p.jsonl",
            chunks=[content],
        )
        drain()
        assert "answered 429" in job_of(project, Job.Kind.PREDICT).reason
        again(project)
        run.refresh_from_db()
        assert (run.state, run.predicted) == ("done", 2)
        assert sent_to(server) == [new, new], "refused, and then answered; the known text is kept"
        said = [json.loads(line) for line in ProjectFiles(project).owned(run).read_text().splitlines()]
        assert said[1]["label"] == "food"

        call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"), "--encoder", str(tmp_path / "e.npz"))
        assert f"sends its requests to {server.url}" in capsys.readouterr().out
        assert KEY.encode() not in (tmp_path / "e.npz").read_bytes()


def test_limits_of_rates_are_waited_for_and_nothing_is_asked_twice() -> None:
    with receiver(status=200, answering=embedder(), statuses=[200, 200, 429]) as server:
        server.headers = {"Retry-After": "100"}
        project = project_at(server, n=128)
        job = job_of(project)
        assert (job.state, job.reason) == ("waiting", "The server for embeddings, 127.0.0.1, answered 429.")
        assert job.heartbeat_at is not None
        assert job.run_after - job.heartbeat_at > datetime.timedelta(seconds=90), "as the server asked"
        assert not project.items.filter(encode_error="").exclude(row=None).exists(), "all of a chunk, or nothing of it"
        [shown] = put_off_of(project)
        assert "answered 429" in str(shown)
        again(project)
    assert project.encoded_rows == 0
    project.refresh_from_db()
    assert project.encoded_rows == 128
    texts = sent_to(server)[1:]
    refused = json.loads(server.got[2].body)["input"]
    assert sorted(texts) == sorted([*{*texts}, *refused]), "what was answered is not sent again"


def test_a_server_that_is_silent_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SECONDS", 0.3)
    with receiver(status=200, answering=embedder(), seconds=30) as server:
        project = project_at(server)
        job = job_of(project)
        assert job.state == "waiting"
        assert job.reason == "The server for embeddings, 127.0.0.1, did not answer within 0.3 seconds."
        server.seconds = 0
        again(project)
    assert project.items.unencoded().count() == 0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"answering": lambda request: b"<html>"}, "has no list of embeddings"),
    ({"answering": embedder(lambda text: [float("nan")])}, "has no list of embeddings"),
    ({"answering": embedder(lambda text: [1e300])}, "is not finite"),
    (
        {"status": 401, "body": b'{"error": {"code": "invalid_api_key"}}'},
        "answered 401 (invalid_api_key). Check its key",
    ),
    ({"status": 404}, "answered 404. Check the address and the model"),
    ({"status": 302, "location": "http://127.0.0.2/"}, "answered 302. Redirects are not followed"),
    (
        {"status": 400, "body": json.dumps({"error": {"message": f"bad model, {KEY}"}}).encode()},
        "answered 400. bad model, …",
    ),
    ({"answering": lambda request: b" " * (33 << 20)}, "is longer than 32 MiB"),
]


def test_a_wrong_answer_stops_the_encoding_with_one_line() -> None:
    for number, (answers, reason) in enumerate(WRONG):
        with receiver(**{"status": 200, **answers}) as server:
            job = job_of(project_at(server, slug=f"p{number}"))
        assert job.state == "failed", reason
        assert reason in job.reason
        assert KEY not in job.reason
        assert not Project.objects.get(slug=f"p{number}").items.exclude(encode_error="").exists()


def test_texts_that_come_later() -> None:
    with receiver(status=200, answering=embedder()) as server:
        project, manager = project_at(server), User.objects.get()

        def answering(request: Request) -> bytes:
            server.status = 200
            return embedder()(request)

        # One that the server refuses is named, and the others go on.
        server.answering = answering
        server.statuses = [400, 400]  # of two texts, and then of the first alone
        _import(project, manager, [{"id": "long", "text": "too long"}, {"id": "fine", "text": "a new text"}])
        errors = dict(project.items.exclude(encode_error="").values_list("external_id", "encode_error"))
        assert list(errors.values()) == ["The server for embeddings, 127.0.0.1, answered 400."]
        assert project.items.get(external_id="fine" if "long" in errors else "long").row is not None

        # Another width is refused, and the item waits.
        server.answering = embedder(lambda text: [1.0, 2.0])
        _import(project, manager, [{"id": "wide", "text": "another text"}])
        job = job_of(project)
        assert job.state == "failed"
        assert f"embeddings of 2 numbers instead of {DIM}" in job.reason
        assert project.items.unencoded().filter(encode_error="").count() == 1

        # A private project sends nothing.
        server.got.clear()
        Project.objects.filter(pk=project.pk).update(privacy_epsilon=3.0)
        _import(project, manager, [{"id": "private", "text": "a third text"}])
        assert job_of(project).state == "failed"
        assert "not sent to an external server" in job_of(project).reason
        assert not server.got


def descendants(pid: int) -> list[int]:
    """Return the process with those that it began, itself first."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in descendants(int(child)))]


@ON_LINUX
def test_a_killed_encoding_pays_nothing_twice_that_was_stored() -> None:
    """The worker and its steps are killed while the server holds its third answer back."""
    held, go_on = threading.Event(), threading.Event()

    def answering(request: Request) -> bytes:
        if len(server.got) == 4 and not go_on.is_set():
            held.set()
            go_on.wait(30)
        return embedder()(request)

    with receiver(status=200) as server:
        server.answering = embedder()
        project = project_at(server, n=10)
        server.got.clear()
        server.answering = answering
        rows = [{"id": f"n{number}", "text": f"text number {number}"} for number in range(300)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        receive(project=project, user=User.objects.get(), name="rows.jsonl", chunks=[content], strict=True)
        with worker("--drain") as process:
            assert held.wait(60)
            for pid in descendants(process.pid):
                os.kill(pid, signal.SIGKILL)
            go_on.set()
        stored = {text for each in server.got[:3] for text in json.loads(each.body)["input"]}
        assert len(stored) == 192
        server.got.clear()
        Job.objects.filter(state=Job.State.RUNNING).update(heartbeat_at="2020-01-01T00:00Z")
        drain()  # takes the job over
        again(project)
        assert not project.items.unencoded().exists()
        again_sent = sent_to(server)
    assert not stored & set(again_sent)
    assert len(again_sent) == len(set(again_sent)) == 108
    for text, row in features_of(project).items():
        assert np.allclose(row, embedding(text))


@pytest.mark.long
def test_what_was_sent_is_not_sent_again_by_any_other_encoding() -> None:
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server, n=120)
        before = features_of(project)
        server.got.clear()
        server.answering = embedder(lambda text: [2 * value for value in embedding(text)])  # it rounds otherwise
        manager = User.objects.get()

        ProjectFiles(project).features(project.features_generation).unlink()
        answer_all(project)
        encoder_change.ask(project=project, choice={"name": "tfidf-svd"}, user=manager)
        drain()
        answer_all(project)
        assert features_of(project).keys() == before.keys()
        assert load_encoder(project).name == "tfidf-svd"
        encoder_change.ask(project=project, choice=choice(server), user=manager)
        drain()
        answer_all(project)
        project.refresh_from_db()
        assert load_encoder(project).name == "endpoint"
        assert all((features_of(project)[text] == row).all() for text, row in before.items()), "as the first time"

        copy = duplicate(project=project, user=manager, slug="copy", name="Copy", items=True)
        embedding_servers.set_server(project=copy, address=server.url)
        drain()
        again(copy)
        assert all((features_of(copy)[text] == row).all() for text, row in before.items())
        assert {*sent_to(server)} == {"Text"}


@pytest.mark.long
def test_encoders_are_measured_with_a_server_and_a_silent_one_holds_up_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Option, "packaged", lambda self: {})  # those with weights would be measured, too
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server, n=120, batch_size=80)
        answer_all(project)
        server.got.clear()
        server.status = 503
        other = choice(server, model="other")
        encoder_comparison.ask(project=project, also=[other])
        drain()
        comparison = encoder_comparison.comparison_of(project)
        assert comparison is not None
        results = {
            each.choice["name"] + each.choice["options"].get("model", ""): each
            for each in encoder_comparison.results_of(comparison)
        }
    assert results["endpointm"].accuracy is not None, "of what is stored"
    assert results["endpointother"].problem == "The server for embeddings, 127.0.0.1, answered 503."
    assert results["tfidf-svd"].accuracy is not None


def test_a_project_leaves_a_server_that_is_gone() -> None:
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server)
    manager = User.objects.get()
    _import(project, manager, [{"id": "new", "text": "a new text about cheese"}])
    assert "cannot be reached" in job_of(project).reason
    encoder_change.ask(project=project, choice={"name": "tfidf-svd"}, user=manager)
    again(project)
    answer_all(project)
    again(project)
    project.refresh_from_db()
    assert load_encoder(project).name == "tfidf-svd"
    assert not project.items.unencoded().exists()
    assert job_of(project).state == "done"


def test_what_is_kept_goes_with_its_items_is_bounded_and_a_damaged_file_costs_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiver(status=200, answering=embedder()) as server:
        project = project_at(server, n=10)
    digest, folder = load_encoder(project).digest, ProjectFiles(project).embedded

    def found(*hashes: bytes, by: str = digest) -> set[bytes]:
        return {*embedded.Embedded(project, by).find(hashes)}

    gone, stays, *_ = keys = list(project.items.order_by("pk").values_list("pk", flat=True))
    text = project.items.get(pk=gone).data["text"]
    others = {embedded.hash_of(each) for each in project.items.values_list("data__text", flat=True)}
    assert found(embedded.hash_of(text))
    embedded.forget(project, [gone])
    assert found(*others) == others - {embedded.hash_of(text)}
    rows = [np.ones(DIM, np.float32)] * 2
    # The item of the second text is gone when its answer comes.
    embedded.Embedded(project, digest).keep([stays, max(keys) + 1], [b"s" * 16, b"g" * 16], rows)
    assert found(b"s" * 16, b"g" * 16) == {b"s" * 16}

    files = list(folder.iterdir())
    size = sum(path.stat().st_size for path in files)
    monkeypatch.setattr(embedded, "MOST_BYTES", size + 500)
    other = embedded.Embedded(project, "f" * 64)
    other.keep([stays], [b"1" * 16], rows[:1])
    assert len(list(folder.iterdir())) == len(files) + 1
    monkeypatch.setattr(embedded, "MOST_BYTES", size // 4)
    other.keep([stays], [b"2" * 16], rows[:1])
    assert len(list(folder.iterdir())) == 1, "those of the other encoder made room"
    other.keep([stays] * 100, [bytes([n]) * 16 for n in range(100)], rows[:1] * 100)
    assert len(list(folder.iterdir())) == 1, "and too many are not kept"
    [path] = folder.iterdir()
    path.write_bytes(b"damaged")
    assert not found(b"1" * 16, by="f" * 64)
    embedded.forget(project, keys)
    assert not list(folder.iterdir())
