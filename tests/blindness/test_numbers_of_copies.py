"""Test that the number of near-copies on the page does not depend on the kind of the task."""

import uuid
from collections.abc import Iterable

import numpy as np
import pytest
from copies_world import MOST, World, make_world

from labeling.loop.step import Step
from labeling.models import Batch, Copy, Job, Project, Task
from labeling.queue import copy_answers, queue, submitting
from labeling.queue.answer import Answer
from labeling.steps import batch_copies as choosing
from labeling.steps.replace import replace
from tests.extent import some

pytestmark = pytest.mark.django_db
BATCHES = 6
SHUFFLES = 999


def run(world: World) -> list[tuple[int, str, int]]:
    for _ in range(BATCHES):
        world.answer(world.pick())
    return world.seen


def p_value(seen: Iterable[tuple[int, str, int]], kinds: tuple[str, ...]) -> float:
    """Return the p-value of the difference in numbers between the kinds, by shuffling the kinds within each batch."""
    batches, names, numbers = (np.array(each) for each in zip(*[one for one in seen if one[1] in kinds], strict=True))
    of = np.array([kinds.index(name) for name in names])

    def difference(of: np.ndarray) -> float:
        counts = np.zeros((len(kinds), MOST + 1))
        np.add.at(counts, (of, numbers), 1)
        expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
        return float(((counts - expected) ** 2 / np.maximum(expected, 1)).sum())

    rng, differences = np.random.default_rng(0), []
    for _ in range(SHUFFLES):
        shuffled = of.copy()
        for batch in np.unique(batches):
            shuffled[batches == batch] = rng.permutation(of[batches == batch])
        differences.append(difference(shuffled))
    return (1 + sum(each >= difference(of) for each in differences)) / (1 + SHUFFLES)


def means(seen: Iterable[tuple[int, str, int]]) -> dict[str, float]:
    seen = list(seen)
    return {kind: float(np.mean([n for _, each, n in seen if each == kind])) for kind in {each for _, each, _ in seen}}


@pytest.mark.parametrize("n_gold", some([60, 5]))
def test_numbers_of_copies_are_alike_for_all_kinds_of_tasks(n_gold: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all near-copies of picked items are still shown."""
    there, shown = [], []
    real = choosing.numbers_shown

    def observed(batch, tasks, neighbours, numbers, asked):
        result = real(batch, tasks, neighbours, numbers, asked)
        there.append(numbers[tasks.kinds == 0].sum())
        shown.append(result[tasks.kinds == 0].sum())
        return result

    monkeypatch.setattr(choosing, "numbers_shown", observed)
    seen = run(make_world(n_gold=n_gold))
    assert p_value(seen, ("picked", "control", "gold")) > 0.05, means(seen)
    assert means(seen)["picked"] > 0.5
    assert sum(shown) > 0.95 * sum(there)


@pytest.mark.long
def test_if_all_copies_were_shown_they_would_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "numbers_shown", lambda batch, tasks, neighbours, numbers, asked: numbers)
    seen = run(make_world())
    assert p_value(seen, ("picked", "control", "gold")) == 1 / (1 + SHUFFLES), means(seen)
    assert means(seen)["gold"] > means(seen)["picked"] * 1.5


def step_for(batch: Batch, kind: str) -> Step:
    job = Job.objects.create(project=batch.project, batch=batch, kind=kind, state=Job.State.RUNNING)
    return Step(job, gives_way=False)


def shown_now(project: Project, batch: Batch) -> dict[int, int]:
    return {task: len(near) for task, near in copy_answers.shown_beside(project, list(batch.tasks.all())).items()}


def test_gold_shows_no_copies_in_a_batch_that_no_clusters_had_a_part_in() -> None:
    world = make_world(600, n_gold=10, batch_size=30)
    world.answer(world.pick())
    gold = Copy.objects.filter(of__gold__isnull=False).values("of")
    assert gold.exists()
    batch = world.pick(clustered=False)
    assert Task.objects.filter(batch=batch, is_gold=True, repeats__in=gold).exists()
    assert set(shown_now(world.project, batch).values()) == {0}
    Project.objects.update(near_copies=MOST + 1)
    assert set(shown_now(Project.objects.get(), batch).values()) == {0}


def test_chosen_again_only_what_nobody_was_given_shows_another_number() -> None:
    world = make_world(600, n_gold=10, batch_size=40)
    batch = world.pick()
    held = [task.pk for task in queue.claim(project=world.project, user=world.people[0], count=10).tasks]
    before = shown_now(world.project, batch)
    assert sum(before[pk] for pk in held) > 0
    step = step_for(batch, Job.Kind.REPICK)
    choosing.hide(step, batch)
    hidden = shown_now(world.project, batch)
    assert {hidden[pk] for pk in hidden if pk not in held} == {0}, "while it is picked again, whatever a task is for"
    assert [hidden[pk] for pk in held] == [before[pk] for pk in held]
    choosing.choose_again(step, batch)
    after = shown_now(world.project, batch)
    assert [after[pk] for pk in held] == [before[pk] for pk in held]
    assert sum(after.values()) > 0.7 * sum(before.values())
    assert max(after.values()) <= MOST


def test_what_replaces_a_skipped_item_shows_copies_too() -> None:
    world = make_world(600, n_gold=10, batch_size=40, replace_skips=True)
    batch = world.pick()
    held = queue.claim(project=world.project, user=world.people[0], count=10).tasks
    skipped = [task for task in held if task.item_id is not None][:7]
    before = shown_now(world.project, batch)
    answers = [Answer(uuid.uuid4(), task.pk, None, skip_reason="blurred") for task in skipped]
    assert not submitting.submit(project=world.project, user=world.people[0], answers=answers).rejected
    Job.objects.filter(kind=Job.Kind.REPLACE).delete()
    replace(step_for(batch, Job.Kind.REPLACE))
    new = batch.tasks.filter(replaces__isnull=False)
    assert new.count() == len(skipped)
    after = shown_now(world.project, batch)
    assert sum(after[pk] for pk in new.values_list("pk", flat=True)) > 0
    assert [after[task.pk] for task in held] == [before[task.pk] for task in held]
