"""Near-copies that have their source's label are no work that is left, and count in the goal's account."""

from pathlib import Path

import pytest
from pages import manager, text_of

from labeling.finishing.planning import copied_labels, read_situation
from labeling.models import Annotation, Copy, CopyAnswer, Finish, Item, Project
from tests.finishing.goals import make_goal

pytestmark = pytest.mark.django_db

COPIES, CHECKS = 30, 9


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    """Create a goal for 600 items: 100 have a label by people, and 30 of the others the label of a near-copy.

    Nine further near-copies were asked about as checks: one differs.
    """
    project = make_goal(600)
    batch = project.batches.get(number=1)
    batch.copy_radius = 0.5
    batch.save(update_fields=["copy_radius"])
    ann = project.memberships.get(user__username="ann").user
    tasks = list(batch.tasks.select_related("item").order_by("rank"))
    others = list(project.items.unlabeled().order_by("row")[:COPIES])
    checked = [task.item for task in tasks[-CHECKS:]]
    for place, item in enumerate([*others, *checked]):
        task = tasks[place]
        is_check = place >= COPIES
        copy = Copy.objects.create(of=task.item, item=item, batch=batch, height=0.1, is_check=is_check)
        annotation = Annotation.objects.create(task=task, user=ann, value=task.item.label, seconds=1)
        CopyAnswer.objects.create(copy=copy, annotation=annotation, same=True)
        if is_check:
            Item.objects.filter(pk=item.pk).update(label=(task.item.label + (place == COPIES)) % 10)
    return project


@pytest.mark.long
def test_the_audit_plans_for_the_items_that_no_near_copy_labels(project: Project) -> None:
    version = project.versions.get()
    found = read_situation(project, Finish.objects.get(), version)
    assert found.rest == 600 - 100 - COPIES
    assert len(found.plans[0].candidates) == found.rest
    by_class = read_situation(project, Finish(project=project, by_class=True, error=0.05), version)
    assert by_class.rest == found.rest


@pytest.mark.long
def test_near_copies_are_wrong_as_often_as_their_checks_differ(project: Project) -> None:
    number, wrong = copied_labels(project)
    assert number == {None: COPIES}
    assert wrong[None] == pytest.approx(COPIES * 1.5 / (CHECKS + 1))
    by_class, _ = copied_labels(project, by_class=True)
    assert sum(by_class.values()) == COPIES


@pytest.mark.long
def test_the_page_counts_near_copies_as_labeled(project: Project) -> None:
    text = text_of(manager(project).get(f"/p/{project.slug}/finish/"))
    assert f"{100 + COPIES} of 600 labeled; about" in text
