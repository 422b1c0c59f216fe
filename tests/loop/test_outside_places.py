"""Test that steps that wait for servers outside hold up neither other steps nor other people's sources: with real
workers, and servers that are silent, drip, or never end.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_project, make_user
from processes import ON_LINUX, wait_until, worker
from steps_apart import worker_of_steps

from labeling.intake import prediction_sets
from labeling.intake.readers import Layout
from labeling.intake.watching import changing
from labeling.loop import outside
from labeling.loop.step import Step
from labeling.models import EmbeddingServer, ItemImport, Job, Project, Reference, Source, User
from tests.extent import some

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]


class _Slow(BaseHTTPRequestHandler):
    """Answers as the path says: `silent`, `drip` (a byte now and then), `endless`; everything else is a CSV file."""

    over: threading.Event

    def do_GET(self) -> None:
        way = self.path.split("/")[1]
        if way == "silent":
            self.over.wait()
            return
        content = b"text\none\ntwo\n"
        self.send_response(200)
        if way == "drip":
            self.send_header("Content-Length", "100000")
        elif way != "endless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if way not in ("drip", "endless"):
            self.wfile.write(content)
            return
        while not self.over.wait(0.1):
            self.wfile.write(b"x" if way == "drip" else b"text\n" * 1000)

    do_HEAD = do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that no longer waits is no error here."""


@contextmanager
def slow_server() -> Iterator[str]:
    """Run such a server; yield its address."""
    over = threading.Event()
    with _Server(("127.0.0.1", 0), type("Handler", (_Slow,), {"over": over})) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()


@pytest.fixture
def address(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    monkeypatch.setenv("OUTGOING_ALLOWED_NETWORKS", "127.0.0.0/8")
    with slow_server() as made:
        yield made


def add_source(project: Project, user: User | None, address: str) -> Source:
    return changing.add(
        project=project,
        user=user,
        name="web",
        address=address,
        options={},
        secrets={},
        content=Source.Content.FILE,
        layout=Layout(),
    )


def add_server(project: Project, user: User | None, address: str) -> None:
    prediction_sets.set_server(project=project, url=address)
    prediction_sets.ask(project=Project.objects.get(pk=project.pk), user=user)


def asked() -> Any:
    return outside.outside(Job.objects.running())


@pytest.mark.long
@pytest.mark.parametrize("adds", some([add_source, add_server]))
def test_six_projects_of_a_manager_that_wait_outside_hold_up_nobody(adds: Any, address: str) -> None:
    mona, otto = make_user("mona"), make_user("otto")
    projects = [make_project(f"slow-{n}", kind="text") for n in range(6)]
    for project, way in zip(projects, itertools.cycle(["silent", "drip", "endless"]), strict=False):
        adds(project, mona, f"{address}/{way if adds is add_source else 'silent'}/{project.pk}.csv")
    with worker("--without", "survey,mislabeled,encoders,baseline"):
        wait_until(lambda: asked().count() == outside.MOST_OF_PERSON)
        own, others = projects[0], make_project("fine", kind="text")
        for project in (own, others):  # that of a slow source as well
            make_items(project, 3, row=None)
        jobs = [Job.objects.enqueue(Job.Kind.ENCODE, project=project) for project in (own, others)]
        add_source(others, otto, f"{address.replace('127.0.0.1', 'localhost')}/fine/rows.csv")
        wait_until(lambda: Job.objects.filter(pk__in=[job.pk for job in jobs], state=Job.State.DONE).count() == 2)
        wait_until(lambda: others.items.filter(row__isnull=False).count() == 5)
        assert asked().count() <= outside.MOST_OF_PERSON
        assert Job.objects.unfinished().filter(project__in=projects).count() >= 4


def test_a_step_that_waits_outside_without_an_end_fails_and_says_so() -> None:
    job = Job.objects.enqueue(Job.Kind.SOURCE, project=make_project("hangs"))
    with worker_of_steps(settings="from labeling.loop import outside; outside.MOST_SECONDS = 2.0"):
        wait_until(lambda: Job.objects.filter(pk=job.pk, state=Job.State.FAILED).exists())
    job.refresh_from_db()
    assert job.reason == (
        "Checking a source waited for more than 0.000556 h for a server outside. Check that server, then retry."
    )


def test_steps_that_ask_outside_take_turns_and_do_not_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "SLICE_SECONDS", 0)
    project = make_project("one")
    step = Step(Job.objects.enqueue(Job.Kind.SOURCE, project=project, occasion="1"))
    assert Job.objects.take(step.job, "host:1:a", timezone.now())
    Job.objects.enqueue(Job.Kind.SELECT, project=project)
    other = Job.objects.enqueue(Job.Kind.SOURCE, project=project, occasion="2")
    assert not step.should_give_way(), "it has just begun"
    monkeypatch.setattr("labeling.loop.step.QUICK_SECONDS", 0)
    assert step.should_give_way()
    other.delete()
    assert not step.should_give_way(), "the selection has another place"
    monkeypatch.setattr(outside, "SLICE_SECONDS", 0)
    assert step.should_give_way()


def test_few_steps_of_a_person_and_at_a_server_ask_outside_on_all_workers(address: str) -> None:
    mona, otto, odile = (make_user(name) for name in ("mona", "otto", "odile"))
    elsewhere = address.replace("127.0.0.1", "localhost")
    places = [(mona, address), (mona, elsewhere), (mona, elsewhere), (otto, address), (odile, address)]
    sources = [add_source(make_project(f"p-{n}", kind="text"), *place) for n, place in enumerate(places)]
    taken = []
    while (job := outside.startable(Job.objects.due(timezone.now())).first()) is not None:
        assert Job.objects.take(job, f"host:{job.pk}:a", timezone.now())
        taken.append(int(job.occasion))
    assert taken == [sources[0].pk, sources[1].pk, sources[3].pk], "two of Mona's, and two at the server"
    assert not outside.inside(Job.objects.all()).exists()


def test_which_steps_ask_servers_outside(address: str) -> None:
    plain, kept = make_project("plain", kind="image"), make_project("kept", kind="image")
    source = Source.objects.create(project=kept, name="x", address=address, content="media", created_by=make_user("m"))
    Reference.objects.create(project=kept, source=source, name="2/references/aa/aaaa.png", key="a.png")
    for project in (plain, kept):
        for kind in (Job.Kind.ENCODE, Job.Kind.TRAIN, Job.Kind.SELECT, Job.Kind.TRACK):
            Job.objects.enqueue(kind, project=project)
    asking = make_project("asking", kind="text")
    EmbeddingServer.objects.create(project=asking, address=address)
    for kind in (Job.Kind.ENCODE, Job.Kind.ENCODERS, Job.Kind.REBUILD, Job.Kind.PREDICT, Job.Kind.TRAIN):
        Job.objects.enqueue(kind, project=asking)
    uploaded = _import(plain)
    _import(kept, source=source)
    jobs = Job.objects.order_by("pk")
    found = {(each.project.slug, each.kind): each.asker for each in outside.outside(jobs).select_related("project")}
    assert found == {
        **{("asking", kind): -asking.pk for kind in ("encode", "encoders", "rebuild", "predict")},
        ("kept", "encode"): source.created_by_id,
        ("kept", "import"): source.created_by_id,
        ("kept", "track"): -kept.pk,
        ("plain", "track"): -plain.pk,
    }
    assert uploaded in outside.inside(jobs)
    assert outside.inside(jobs).count() + len(found) == jobs.count()


def _import(project: Project, **fields: Any) -> Job:
    cause = ItemImport.objects.create(project=project, name="a.csv", path="/nowhere", **fields)
    return Job.objects.enqueue(Job.Kind.IMPORT, project=project, cause=cause)
