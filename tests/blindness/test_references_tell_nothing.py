"""Test that the time in which a file at a source arrives does not tell annotators which items check them."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import digit_worlds
import pytest
from adversary import Verdict
from buckets import Store
from kept import kept_in, running_store
from pages import signed_in

from labeling.finishing.certifying import schedule
from labeling.kinds import KeptAtSource
from labeling.models import Item, Project, Reference, Source, User
from labeling.outside import references
from labeling.outside.references import fetching
from labeling.outside.sources import remote_of
from labeling.storage import media
from tests.blindness.test_adversary import DRAWS, SUSPICIOUS, assert_nothing_tells, verdicts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with running_store(tmp_path) as made:
        yield made


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys of the files that were read at a source so far."""
    keys: list[str] = []
    real = fetching._content
    monkeypatch.setattr(fetching, "_content", lambda row, **more: (keys.append(row.key), real(row, **more))[1])
    return keys


@pytest.fixture(autouse=True)
def _world_at_a_source(store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the files of a new world into a bucket."""
    monkeypatch.setattr(schedule, "advise", lambda *_, **__: schedule.Advice(None, float(DRAWS)))
    monkeypatch.setattr(fetching.FOR_PEOPLE, "seconds", 60)  # as long as a busy machine takes
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    real = digit_worlds.imported

    def imported(*world: Any) -> Project:
        project = real(*world)
        _move(project, kept_in(store, project).source, store)
        return project

    monkeypatch.setattr(digit_worlds, "imported", imported)


def _move(project: Project, source: Source, store: Store) -> None:
    items = list(project.items.all())
    store.fill(
        source.address.removeprefix("s3://"), {f"{each.pk}.png": media.local(each.media).read_bytes() for each in items}
    )
    entries = {each.key: each for each in remote_of(source).entries()}
    kept = []
    for each in items:
        entry = entries[f"{each.pk}.png"]
        file = KeptAtSource(source.pk, entry.key, f"{source.address}/{entry.key}", entry.size, entry.etag)
        each.media = references.name_of(project.pk, file, each.external_id, ".png")
        kept.append((each.media, file))
    Item.objects.bulk_update(items, ["media"])
    Reference.objects.bulk_create(references.rows_for(project, kept))


def looked_at(keys: list[str]) -> Callable[[Project], Callable[[], int]]:
    """Return a function that lets the honest annotators look at the items that they answered, after the copies for
    encoding were removed for want of space.
    """

    def before(project: Project) -> Callable[[], int]:
        for name in project.items.values_list("media", flat=True):
            fetching.remove_copies(name)
        for user in User.objects.filter(username__in=[f"{name}-{project.slug}" for name in ("hana", "hugo")]):
            client = signed_in(user)
            for item in Item.objects.filter(task__annotations__user=user).distinct():
                assert client.get(f"/api/v1/projects/{project.slug}/items/{item.pk}/media/").status_code == 200
        return lambda: len(keys)

    return before


def test_nothing_tells(reads: list[str], tmp_path: Path) -> None:
    assert_nothing_tells(lambda number: verdicts(tmp_path, number, {}, before=looked_at(reads)))
    assert reads


def test_shared_copies_would_tell(reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = references.local
    monkeypatch.setattr(references, "local", lambda name, *, reader=0: real(name))
    found: dict[str, Verdict] = {each.kind: each for each in verdicts(tmp_path, 3, {}, before=looked_at(reads))}
    assert found["gold"].p <= SUSPICIOUS, str(found["gold"])
    assert found["gold"].area > 0.9, str(found["gold"])
