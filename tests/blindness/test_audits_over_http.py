"""Test over real HTTP that annotators cannot recognise the draws of an audit, while managers run a goal and its proofs.

It matters on PostgreSQL, whose rows come in no order of their own: `scripts/check.py` runs it there, too.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from adversary import Verdict, judge, kinds_of
from digit_worlds import adversary_in, world
from factories import certify, make_member
from knox.models import AuthToken
from processes import web

from labeling.finishing.certifying import schedule
from labeling.models import Certificate, Project, Role, User
from tests.blindness.test_adversary import DRAWS, KINDS, assert_nothing_tells
from tests.blindness.test_what_managers_do_tells_nothing import ACTS, Probe, World

pytestmark = pytest.mark.django_db(transaction=True)


class Person:
    """A client of the API of a server process, with the methods of DRF's test client that the adversary calls."""

    def __init__(self, server: str, user: User) -> None:
        token = AuthToken.objects.create(user)[1]
        self._http = httpx.Client(base_url=server, headers={"Authorization": f"Token {token}"}, timeout=60)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def send(path: str, body: Any = None, format: str = "json") -> Any:
            response = self._http.request(method, path, json=body)
            response.streaming = False  # type: ignore[attr-defined]
            response.items = response.headers.items  # type: ignore[attr-defined]
            response.get = response.headers.get  # type: ignore[attr-defined]
            return response

        return send


@pytest.fixture
def connect() -> Iterator[Callable[[User], Person]]:
    """Start a server and return a function that connects a person to it."""
    with web() as (_, port):
        yield lambda user: Person(f"http://127.0.0.1:{port}", user)


def test_replies_over_http_are_alike_for_all_kinds(connect: Callable[[User], Person]) -> None:
    world = World(states=("answered",), connect=connect)
    ACTS["corrects"](world)
    ACTS["ends the goal"](world)
    replies: dict[str, dict[str, Any]] = {}
    for kind in ("plain", "control", "audit", "gold"):  # each probe changes the batch, so numbers are not compared
        probe = Probe(world, (kind, "answered"))
        for step in ("undo", "send_again", "answer", "undo_new", "skip", "file"):
            reply = getattr(probe, step)()
            headers = sorted({*reply.headers} - {"x-request-id"})
            replies.setdefault(step, {})[kind] = (reply.status_code, headers, probe.masked(reply))
    for step, by_kind in replies.items():
        assert all(reply == by_kind["plain"] for reply in by_kind.values()), (step, by_kind)


@pytest.mark.long
def test_nothing_tells_an_audit_over_http(
    connect: Callable[[User], Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the annotators answer, a certificate is issued and suspended, and the manager ends and starts the goal."""
    monkeypatch.setattr(schedule, "advise", lambda *_, **__: schedule.Advice(None, float(DRAWS)))

    def verdicts(number: int) -> list[Verdict]:
        project = world(tmp_path, number, {})
        batch = project.batches.open().get()
        mona = connect(make_member(project, "mona", Role.MANAGER))
        adversary = adversary_in(project, batch, number, connect=connect)
        acts = run_the_goal(project, mona)
        while adversary.work(adversary.names):
            next(acts, None)
        assert Certificate.objects.exclude(suspended_at=None).exists()
        kinds = kinds_of(project, batch.number)
        features = {task: dict(values) for task, values in adversary.features.items()}
        assert {*KINDS} <= {kinds[task] for task in features if task in kinds}
        return [judge(features, kinds, kind, {}) for kind in KINDS]

    assert_nothing_tells(verdicts)


def run_the_goal(project: Project, manager: Person) -> Iterator[None]:
    """Let a certificate be issued, a split of a class suspend it, and the manager end and start the goal, one after the
    other.
    """
    path = f"/api/v1/projects/{project.slug}/"
    left = project.items.unlabeled().filter(task=None).order_by("pk")[:20]
    certify(project, {item: item.truth for item in left}, version=project.versions.latest("number"))
    yield
    assert manager.post(f"{path}classes/8/split/", {"into": ["8a", "8b"]}).status_code == 200
    yield
    assert manager.delete(f"{path}finish/").status_code in (200, 204)
    yield
    assert manager.post(f"{path}finish/", {"error": 0.05}).status_code == 200
