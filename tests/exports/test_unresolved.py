"""Test exports with unresolved items: from such a file, agreement is what the page "Agreement" says."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_member, make_project
from labeled import answer, make_batch, make_items, train
from pages import member, text_of

from labeling.models import Annotation, Item, Project, Role, Task
from labeling.outgoing.exports import choose, count_rows, export

pytestmark = pytest.mark.django_db


def exported(project: Project, **filters: str) -> list[dict[str, Any]]:
    choice = choose(project, filters)
    rows = [json.loads(line) for line in b"".join(export(project, "jsonl", choice)).splitlines()]
    assert count_rows(project, choice) == len(rows)
    return rows


def units_of(project: Project, **filters: str) -> list[list[str]]:
    """Return the answers that are compared with each other, by the code in docs/how-to/use-an-export.md."""
    how_to = (Path(__file__).parents[2] / "docs/how-to/use-an-export.md").read_text()
    code = how_to.partition("## Compute agreement again")[2].partition("```python\n")[2].partition("```")[0]
    content = b"".join(export(project, "parquet", choose(project, filters)))
    found: dict[str, Any] = {"pd": pd, "rows": pd.read_parquet(io.BytesIO(content))}
    exec(code, found)
    return list(found["units"])


def alpha_of(units: list[list[str]]) -> float:
    """Krippendorff's α for names, from the definition: pair by pair."""
    values = Counter(value for unit in units for value in unit)
    n = values.total()
    observed = sum(
        sum(one != other for i, one in enumerate(unit) for j, other in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in units
    )
    expected = sum(a * b for x, a in values.items() for y, b in values.items() if x != y) / (n - 1)
    return 1 - observed / expected


@pytest.fixture(scope="module")
def project(once: Path) -> Project:
    """Create ties, tasks that lack answers or show suggestions, an excluded item, skips, and an item asked again."""
    project = make_project(classes=["cat", "dog", "owl"], overlap=2)
    items = make_items(project, 60)
    ann, bob, cyd = (make_member(project, name) for name in ("ann", "bob", "cyd"))
    first = make_batch(project, items[:40], overlap=2)
    first.tasks.filter(rank__gte=32).update(prompted=True)
    answer(first, ann, [rank % 3 for rank in range(40)])
    answer(first, bob, ["skip" if rank % 11 == 5 else (rank + rank // 30) % 3 if rank % 4 else 1 for rank in range(40)])
    Item.objects.filter(pk=items[3].pk).update(excluded_at=timezone.now())
    train(first)
    second = make_batch(project, items[40:], overlap=3)
    answer(second, ann, [rank % 2 for rank in range(18)])
    answer(second, bob, [rank % 3 for rank in range(12)])
    again = Task.objects.create(batch=second, repeats=items[4], rank=20, free=1, outstanding=1)
    Annotation.objects.bulk_create(Annotation(task=again, user=user, value=2) for user in (bob, cyd))
    return project


def test_agreement_from_the_file_is_that_of_the_page(project: Project) -> None:
    client = member(project, Role.ENGINEER, "enzo")
    shown = client.get(f"/api/v1/projects/{project.slug}/agreement/").json()
    units = units_of(project, unresolved="true", excluded="true")
    assert (len(units), sum(map(len, units))) == (shown["items"], shown["answers"])
    assert alpha_of(units) == pytest.approx(shown["alpha"]["value"])
    page = text_of(client.get(reverse("project-agreement", args=[project.slug])))
    assert f"Krippendorff’s α {alpha_of(units):.2f}" in page
    assert len(units_of(project, excluded="true")) < len(units), "without ties and tasks that lack answers"


def test_unresolved_items_come_with_all_their_answers_and_no_origin(project: Project) -> None:
    labeled = exported(project)
    assert {row["label"] for row in labeled} == {"cat", "dog", "owl"}
    rows = exported(project, unresolved="true")
    added = [row for row in rows if row["label"] is None]
    assert [row for row in rows if row["label"] is not None] == labeled
    ties = [row for row in added if row["batch"] == 1]
    assert ties
    assert all(len({each["value"] for each in row["annotations"]}) == 2 for row in ties)
    assert [len(row["annotations"]) for row in added if row["batch"] == 2] == [2] * 12 + [1] * 6
    assert {row["origin"] for row in added} == {None}
    assert exported(project, unresolved="true", since="2020-01-01") == labeled


def test_an_answer_that_was_taken_back_or_a_skip_adds_no_row() -> None:
    project = make_project("other", overlap=2)
    batch = make_batch(project, make_items(project, 2), overlap=2)
    answer(batch, make_member(project, "ann"), [1, "skip"])
    assert [row["external_id"] for row in exported(project, unresolved="true")] == ["item-0000"]
    Annotation.objects.update(undone_at=timezone.now())
    assert exported(project, unresolved="true") == []
