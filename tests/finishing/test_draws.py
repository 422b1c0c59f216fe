"""Test an audit's candidates, its next draws, and what people's answers say about the draws so far."""

from typing import Any

import numpy as np
import pytest
from factories import make_items, make_member, make_open_batch, make_project

from labeling.finishing import audits, candidates
from labeling.labels import corrections
from labeling.models import Audit, AuditDraw, Batch, Copy, Item, Role, Task
from labeling.queue import changing, removing
from labeling.storage.arrays.files import ProjectFiles
from tests.finishing.audit_rows import make_audit, make_predicted, say

pytestmark = pytest.mark.django_db


def audited(n: int = 8, **settings: Any) -> Audit:
    return make_audit(make_predicted(make_project(**settings), n))


def ask(audit: Audit, n: int, *, prompted: bool = False, **batch: Any) -> list[Task]:
    """Ask people about the next draws by an open batch, and return their tasks in the order of the draws."""
    draws = audits.next_draws(audit.project, n)
    number = audit.project.batches.count() + 1
    items = [Item.objects.get(pk=draw.item) for draw in draws]
    made = make_open_batch(audit.project, items, number=number, **batch)
    made.tasks.update(asked=True, prompted=prompted)
    tasks = list(made.tasks.select_related("batch__project").order_by("rank"))
    AuditDraw.objects.bulk_create(
        AuditDraw(audit=audit, place=draw.place, task=task, value=draw.value)
        for draw, task in zip(draws, tasks, strict=True)
    )
    return tasks


def wrong_by_row(audit: Audit) -> dict[int, bool]:
    found = audits.outcomes(audit)
    rows = candidates.load(audit).rows[found.ranks]
    return dict(zip(rows.tolist(), found.wrong.tolist(), strict=True))


def again(item: int, number: int) -> Task:
    """Create the next batch, which asks the item again."""
    project = Item.objects.get(pk=item).project
    batch = make_open_batch(project, [], number=number)
    Batch.objects.filter(pk=batch.pk).update(size=1, remaining=1, further=1)
    Item.objects.filter(pk=item).update(again_at=None, sent_back=False)
    return Task.objects.create(batch=batch, repeats_id=item, rank=0, free=1, outstanding=1)


def test_candidates_are_unpicked_items_that_no_copy_labels_and_no_control_takes() -> None:
    project = make_project()
    version = make_predicted(project, 8)
    items = {item.row: item for item in project.items.all()}
    Item.objects.filter(row=5).update(reserved=True)
    Item.objects.filter(row=6).update(excluded_at="2026-01-01T00:00:00Z")
    batch = project.batches.get()
    batch.copy_radius = 0.5
    batch.save(update_fields=["copy_radius"])
    done = Task.objects.get(item=items[0])
    annotation = done.annotations.create(user=make_member(project, "annie"), value=1)
    confirmed = Copy.objects.create(of=items[0], item=items[7], batch=batch, height=0.1)
    confirmed.answers.create(annotation=annotation, same=True)
    Copy.objects.create(of=items[0], item=items[8], batch=batch, height=0.1)  # no person has looked at it
    make_items(project, 1, first=20)  # encoded after the predictions
    found = candidates.read_candidates(project, version)
    assert found.rows.tolist() == [4, 8, 9, 10, 11]
    assert found.items.tolist() == [items[row].pk for row in found.rows.tolist()]
    assert found.values.tolist() == [4, 8, 9, 0, 1]
    assert (np.diff(found.probabilities) <= 0).all()
    assert found.only(found.values == 0).rows.tolist() == [10]


def test_a_plan_is_made_again_from_its_row() -> None:
    audit = audited(40)
    plan = audits.plan_of(Audit.objects.get())
    assert (plan.sizes.sum(), plan.target.wrong(40), plan.risk) == (40, 8, 0.05)
    assert audit.size == ProjectFiles(audit.project).owned(audit).stat().st_size
    assert candidates.load(audit).order.tolist() == list(range(40))


def test_the_next_draws_are_the_first_that_no_task_asks_about() -> None:
    audit = audited(8)
    project = audit.project
    assert [draw.place for draw in audits.next_draws(project, 3)] == [0, 1, 2]
    ask(audit, 2)
    make_open_batch(project, [Item.objects.get(row=7)], number=3)  # picked by its model
    Item.objects.filter(row=8).update(excluded_at="2026-01-01T00:00:00Z")
    assert [(draw.place, draw.row, draw.value) for draw in audits.next_draws(project, 3)] == [
        (2, 6, 6), (5, 9, 9), (6, 10, 0),
    ]  # fmt: skip
    assert [draw.place for draw in audits.next_decoys(project, 2, besides={10})] == [7, 5]
    Audit.objects.update(state=Audit.State.ENDED)
    assert audits.next_draws(project, 3) == []


def test_the_draws_of_classes_take_turns() -> None:
    project = make_project(classes=["0", "1", "2"])
    version = make_predicted(project, 9, labeled=3)
    by_class = [make_audit(version, of_class=number) for number in (0, 2)]
    draws = audits.next_draws(project, 5)
    assert [(draw.audit, draw.row) for draw in draws] == [
        (by_class[number], row) for number, row in ((0, 3), (1, 5), (0, 6), (1, 8), (0, 9))
    ]


def test_an_item_on_a_screen_beside_another_is_asked_about_later() -> None:
    audit = audited(6)
    project = audit.project
    batch = make_open_batch(project, [Item.objects.get(row=9)], number=2)
    Copy.objects.create(of=Item.objects.get(row=9), item=Item.objects.get(row=4), batch=batch, height=0.1)
    assert [draw.row for draw in audits.next_draws(project, 2)] == [5, 6]
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE)
    assert [draw.row for draw in audits.next_draws(project, 2)] == [4, 5]


def test_answers_settle_draws_up_to_the_first_that_is_open() -> None:
    audit = audited()
    tasks = ask(audit, 4)
    say(tasks[0], "annie", 4)
    say(tasks[1], "annie", 1)  # another than the model's
    say(tasks[2], "annie", 6)
    assert wrong_by_row(audit) == {4: False}
    undecided = [tasks[1].item_key]
    assert audits.outcomes(audit).undecided == undecided
    Item.objects.filter(pk=undecided[0]).update(again_at="2026-01-01T00:00:00Z")
    assert audits.outcomes(audit).undecided == [], "a batch will ask again"
    second = again(undecided[0], 3)
    assert audits.outcomes(audit).undecided == []
    say(second, "bert", 1)
    assert wrong_by_row(audit) == {4: False, 5: True, 6: False}
    say(tasks[3], "annie", 7)
    assert wrong_by_row(audit) == {4: False, 5: True, 6: False, 7: False}


def test_a_disagreement_is_open_until_two_answers_agree() -> None:
    audit = audited()
    [task] = ask(audit, 1)
    for number, (name, value) in enumerate([("annie", 1), ("bert", 2), ("carl", 4), ("dora", 4)], 3):
        assert wrong_by_row(audit) == {}
        say(task, name, value)
        assert audits.outcomes(audit).undecided == ([task.item_key] if name != "dora" else [])
        task = again(task.item_key, number)
    assert wrong_by_row(audit) == {4: False}


def test_an_item_that_many_tasks_asked_about_in_vain_counts_as_wrong() -> None:
    audit = audited()
    [task] = ask(audit, 1)
    say(task, "annie", 0)
    for number in range(1, audits.MOST_TASKS):
        assert audits.outcomes(audit).undecided == [task.item_key]
        task = again(task.item_key, 2 + number)
        say(task, "annie", "skip")
    assert (wrong_by_row(audit), audits.outcomes(audit).undecided) == ({4: True}, [])


def test_what_all_skipped_or_a_manager_took_out_counts_as_wrong() -> None:
    audit = audited()
    mona = make_member(audit.project, "mona", Role.MANAGER)
    tasks = ask(audit, 3, overlap=2)
    say(tasks[0], "annie", "skip")
    assert wrong_by_row(audit) == {}
    say(tasks[0], "bert", "skip")
    say(tasks[1], "annie", "skip")
    say(tasks[1], "bert", 5)
    assert wrong_by_row(audit) == {4: True, 5: False}
    removing.remove_items(project=audit.project, ids=[tasks[2].item_key], user=mona)
    assert wrong_by_row(audit) == {4: True, 5: False, 6: True}


def test_a_correction_decides() -> None:
    audit = audited()
    mona = make_member(audit.project, "mona", Role.MANAGER)
    tasks = ask(audit, 2)
    say(tasks[0], "annie", 1)
    say(tasks[1], "annie", 5)
    items = [Item.objects.get(pk=task.item_key) for task in tasks]
    corrections.correct(item=items[0], user=mona, value=4)
    corrections.correct(item=items[1], user=mona, value=2)
    assert wrong_by_row(audit) == {4: False, 5: True}
    corrections.withdraw(item=items[1], user=mona)
    assert wrong_by_row(audit) == {4: False, 5: False}


def test_answers_to_a_shown_prediction_prove_nothing() -> None:
    audit = audited()
    [task] = ask(audit, 1, prompted=True)
    say(task, "annie", 4)
    assert (wrong_by_row(audit), audits.outcomes(audit).undecided) == ({}, [task.item_key])
    say(again(task.item_key, 3), "annie", 4)
    assert wrong_by_row(audit) == {4: False}


def test_items_that_a_batch_took_for_another_reason_count_in_their_place() -> None:
    audit = audited()
    picked = make_open_batch(audit.project, [Item.objects.get(row=row) for row in (4, 6)], number=2)
    for task in picked.tasks.order_by("rank"):
        say(task, "annie", 4)
    assert wrong_by_row(audit) == {4: False}
    assert audits.outcomes(audit).undecided == [], "no draw comes behind it yet"
    for task in ask(audit, 2):
        say(task, "annie", task.shown.row)
    assert wrong_by_row(audit) == {4: False, 5: False}
    assert audits.outcomes(audit).undecided == [picked.tasks.get(rank=1).item_key]


def test_an_item_that_is_sent_back_is_open_until_two_people_agree() -> None:
    audit = audited()
    [task] = ask(audit, 1)
    say(task, "annie", 1)
    changing.ask_again(project=audit.project, ids=[task.item_key])
    assert (wrong_by_row(audit), audits.outcomes(audit).undecided) == ({}, [])


@pytest.mark.parametrize(
    ("options", "within", "right", "wrong"),
    [
        ({"question": "verify"}, 0, [False], [True]),  # the model says no
        ({"question": "score", "classes": ["1", "2", "3", "4", "5"]}, 1, [4, 3], [2, 0]),  # the model says 5: index 4
    ],
)
def test_each_question_compares_its_own_answers(options: Any, within: int, right: list[Any], wrong: list[Any]) -> None:
    for value in right + wrong:
        audit = make_audit(make_predicted(make_project(f"p-{value}".lower(), **options), 4), within=within)
        [task] = ask(audit, 1)
        say(task, "annie", value)
        assert wrong_by_row(audit) == ({4: False} if value in right else {})
