"""Test that servers outside which do not answer hold few threads of a web server."""

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import override_settings
from factories import make_member, make_open_batch, make_project, make_source, new_items
from knox.models import AuthToken
from processes import ON_LINUX, wait_until, web
from receivers import Receiver, receiver

from labeling.kinds import KeptAtSource
from labeling.models import Item, Project, Reference, Role, Source
from labeling.outside import references
from labeling.outside.references.fetching import FOR_PEOPLE
from labeling.outside.waiting import WAITING
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]

AT_ONCE = 48
# Longer than a busy machine takes, and shorter than a wait for the server outside, which is not over before the test.
PROMPTLY = 60


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[int]:
    """Run one web server for all tests."""
    with (
        override_settings(DATA_DIR=tmp_path_factory.mktemp("data")),
        web(OUTGOING_ALLOWED_NETWORKS="127.0.0.0/8") as (_, port),
    ):
        yield port


@pytest.fixture
def silent() -> Iterator[Receiver]:
    with receiver(seconds=3600) as server:
        yield server


def token_of(project: Project, name: str, role: str = Role.MANAGER) -> str:
    return str(AuthToken.objects.create(make_member(project, name, role))[1])


def asked(port: int, token: str, method: str, paths: list[str], beside: str = "") -> list[httpx.Response]:
    """Send the requests to the project `digits` at the same time; with `beside`, the token of a person of another
    project, look at its progress meanwhile.
    """

    async def ask() -> list[httpx.Response]:
        address = f"http://127.0.0.1:{port}/api/v1/projects/"
        limits = httpx.Limits(max_connections=AT_ONCE + 1)
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=PROMPTLY, limits=limits) as http:
            sent = [
                asyncio.create_task(http.request(method, f"digits/{path}", headers={"Authorization": f"Token {token}"}))
                for path in paths
            ]
            await asyncio.sleep(0.5)
            for _ in range(5 if beside else 0):
                progress = await http.get("other/progress/", headers={"Authorization": f"Token {beside}"})
                assert progress.status_code == 200
            return await asyncio.gather(*sent)

    return asyncio.run(ask())


def counted(answers: list[httpx.Response]) -> dict[int, int]:
    return dict(Counter(each.status_code for each in answers))


@pytest.mark.long
def test_tests_of_sources_that_do_not_answer_hold_few_threads(port: int, silent: Receiver) -> None:
    project, other = make_project(), make_project("other")
    sources = [
        make_source(project, address=f"{silent.url}/{n}.csv", content=Source.Content.FILE, options={}) for n in range(6)
    ]
    mona, otto = token_of(project, "mona"), token_of(other, "otto", Role.ANNOTATOR)
    paths = [f"sources/{source.pk}/test/" for source in sources] * (AT_ONCE // 6)
    answers = asked(port, mona, "POST", paths, beside=otto)
    assert set(counted(answers)) == {200, 429}
    assert counted(answers)[200] <= WAITING
    assert len(silent.got) <= 2, "as many as a person may have under way"
    problem = f"127.0.0.1:{silent.port} did not respond in time. Try again later."
    for each in answers:
        if each.status_code == 429:
            assert (each.headers["Retry-After"], each.json()["code"]) == ("5", "busy")
        else:
            assert each.json() == {"problem": problem, "files": []}


@pytest.mark.long
def test_files_at_sources_that_do_not_answer_hold_few_threads(port: int, silent: Receiver) -> None:
    project, other = make_project(kind="image"), make_project("other")
    source = make_source(project, address=silent.url, by_reference=True, options={})
    items = at(source, AT_ONCE)
    mona, otto = token_of(project, "mona"), token_of(other, "otto", Role.ANNOTATOR)
    answers = asked(port, mona, "GET", [f"items/{item.pk}/media/" for item in items], beside=otto)
    assert counted(answers) == {503: AT_ONCE}
    assert all(int(each.headers["Retry-After"]) <= FOR_PEOPLE.seconds for each in answers)
    assert len(silent.got) <= 3, "as many files as are read at a source at a time"
    silent.closing.set()  # it breaks all connections off; from now on it answers
    silent.closing.clear()
    silent.seconds, silent.status, silent.body = 0, 200, b"no picture"
    path = [f"items/{items[0].pk}/media/"]
    wait_until(lambda: counted(asked(port, mona, "GET", path)) == {404: 1}, every=1)


@pytest.mark.long
def test_exports_of_files_at_sources_take_turns(port: int, silent: Receiver) -> None:
    project, other = make_project(kind="image"), make_project("other")
    source = make_source(project, address=silent.url, by_reference=True, options={})
    make_open_batch(project, at(source, 2))
    ann = make_member(project, "ann")
    tasks = queue.claim(project=project, user=ann, count=2).tasks
    submitting.submit(
        project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=each.pk, value=1) for each in tasks]
    )
    mona, otto = token_of(project, "mona"), token_of(other, "otto", Role.ANNOTATOR)
    with httpx.Client(trust_env=False, timeout=PROMPTLY) as http:
        address, own = f"http://127.0.0.1:{port}/api/v1/projects/digits/export/", {"Authorization": f"Token {mona}"}
        begun = threading.Thread(target=http.get, args=(address,), kwargs={"params": {"format": "zip"}, "headers": own})
        begun.start()
        wait_until(lambda: len(silent.got) > 0)
        paths = ["export/?format=zip"] * 10
        assert counted(asked(port, mona, "GET", paths, beside=otto)) == {429: 10}
        assert httpx.get(address, params={"format": "jsonl"}, headers=own, trust_env=False).status_code == 200
        silent.closing.set()
        begun.join()
        silent.closing.clear()
        silent.seconds, silent.status = 0, 404
        assert counted(asked(port, mona, "GET", paths[:1])) == {200: 1}


def at(source: Source, n: int, **fields: Any) -> list[Item]:
    """Make items of the source's project whose files are there."""
    project = source.project
    items, files = new_items(project, n, **fields), []
    for number, item in enumerate(items):
        file = KeptAtSource(source.pk, f"{number}.png", f"{source.address}/{number}.png")
        item.media = references.name_of(project.pk, file, item.external_id, ".png")
        files.append((item.media, file))
    Item.objects.bulk_create(items)
    Reference.objects.bulk_create(references.rows_for(project, files))
    return items
