"""Test that the payoff is computed again only after a change, because the overview is reloaded every few seconds."""

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_history, manager

from labeling.insight import payoff
from labeling.insight.payoff import payoff_of
from labeling.labels import corrections
from labeling.models import Project, Role
from labeling.projects import version_in_use
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.extent import some

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create four versions with predictions for 60 labeled control items."""
    project = make_project(batch_size=5)
    make_history(project, 4)
    control = make_items(project, 60, first=100, reserved=True, label=1, agreement=1, labeled_at=timezone.now())
    batch = project.batches.get(number=2)
    rows = range(3, 63)
    batch.tasks.model.objects.bulk_create(
        batch.tasks.model(batch=batch, item=item, rank=rank, is_control=True, free=0, outstanding=0)
        for rank, item in zip(rows, control, strict=True)
    )
    rng = np.random.default_rng(1)
    for version in project.versions.all():
        right = rng.random(160) < 0.5 + 0.1 * version.number
        save_array(ProjectFiles(project).pool(version, "best"), right.astype(np.int32))
    return project


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows whenever a gain is estimated."""
    calls: list[int] = []
    estimate = payoff.payoff.next_gain

    def counted(*args: Any) -> Any:
        calls.append(1)
        return estimate(*args)

    monkeypatch.setattr(payoff.payoff, "next_gain", counted)
    return calls


def test_it_is_computed_once_and_read_in_few_queries(project: Project, computed: list[int]) -> None:
    first = payoff_of(project)
    assert first.next is not None
    with CaptureQueriesContext(connection) as asked:
        again = payoff_of(Project.objects.get())
    assert (len(computed), again) == (1, first)
    assert len(asked) <= 10
    assert not [each["sql"] for each in asked if '"labeling_item"."row"' in each["sql"]], "no label is read"


def test_pages_that_are_asked_for_again_compute_nothing(project: Project, computed: list[int]) -> None:
    client = manager(project)
    pages = [client.get("/p/digits/").content for _ in range(3)]
    assert b"Is it paying off?" in pages[2]
    assert len(computed) == 1


@pytest.mark.parametrize(
    "change", some(["answer", "correction", "withdrawal", "choice", "settings", "batch", "file"], 4)
)
def test_whatever_it_stands_on_has_it_computed_anew(project: Project, computed: list[int], change: str) -> None:
    mona = make_member(project, "mona", Role.MANAGER)
    item = project.items.control().first()
    if change == "withdrawal":
        corrections.correct(item=item, user=mona, value=3)
    payoff_of(project)
    match change:
        case "answer":
            make_items(project, 1, first=90, reserved=True, label=1, labeled_at=timezone.now())
        case "correction":
            corrections.correct(item=item, user=mona, value=3)
        case "withdrawal":
            corrections.withdraw(item=item, user=mona)
        case "choice":
            version_in_use.use(project=project, version=project.versions.get(number=1), user=mona)
        case "settings":
            project.batches.filter(number=5).update(state="done", size=0, remaining=0)
            Project.objects.update(batch_size=7, encoded_rows=1000)
        case "batch":
            project.batches.filter(number=5).update(state="done")
            make_open_batch(project, make_items(project, 9, first=200), number=6)
        case "file":
            path = ProjectFiles(project).pool(project.versions.get(number=4), "best")
            save_array(path, np.zeros(160, np.int32))
    found = payoff_of(Project.objects.get())
    assert len(computed) == 2
    payoff._computed.cache_clear()
    assert payoff_of(Project.objects.get()) == found
