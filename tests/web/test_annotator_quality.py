"""Test the accuracy of annotators: which answers count as right, and which are left out."""

import itertools
import uuid
from typing import Any

import pytest
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from hypothesis import given
from hypothesis import strategies as st
from pages import signed_in

from labeling.insight.annotators import accuracy, agreement, annotators_of, quantile
from labeling.models import Annotation, Batch, Correction, Project, User
from labeling.models.batches import IMPORTED
from labeling.questions import named
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

VOTES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.integers(0, 2)),
    unique_by=lambda vote: vote[:2],
    max_size=18,
)


def test_who_is_measured_against_what() -> None:
    right = accuracy([(1, "annie", 3), (1, "bert", 4), (1, "carl", 4)], {1: 3})
    assert {name: (share.right, share.n) for name, share in right.items()} == {
        "annie": (1, 1), "bert": (0, 1), "carl": (0, 1),
    }  # fmt: skip
    assert accuracy([(1, "annie", 3)], {}) == {}
    right = accuracy([(1, "annie", 3), (1, "bert", 3), (1, "carl", 4)], {})
    assert {name: (share.right, share.n) for name, share in right.items()} == {"carl": (0, 1)}
    key = named("multi").key
    assert accuracy([(1, "annie", key([0, 2]))], {1: key([0, 2])})["annie"].value == 1
    assert accuracy([(1, "annie", key([0]))], {1: key([0, 2])})["annie"].value == 0


@given(VOTES)
def test_agreement_counts_pairs(votes: list[tuple[int, str, Any]]) -> None:
    pairs = [(one[1], one[2] == other[2]) for one, other in itertools.permutations(votes, 2) if one[0] == other[0]]
    slow = {
        name: (sum(same for who, same in pairs if who == name), sum(who == name for who, _ in pairs))
        for name in {who for who, _ in pairs}
    }
    assert {name: (share.right, share.n) for name, share in agreement(votes).items()} == slow


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_the_median_of_counted_values(values: list[int]) -> None:
    counts = {value: values.count(value) for value in values}
    assert quantile(counts, 0.5) == sorted(values)[(len(values) - 1) // 2]
    assert min(values) <= quantile(counts, 0.25) <= quantile(counts, 0.75) <= max(values)


def test_no_value_has_no_median() -> None:
    assert quantile({}, 0.5) == 0


def vote(project: Project, name: str, value: int) -> None:
    user = make_member(project, name)
    for task in queue.claim(project=project, user=user, count=10).tasks:
        submitting.submit(project=project, user=user, answers=[Answer(uuid.uuid4(), task.pk, value=value)])


@pytest.mark.django_db
def test_a_correction_is_known_where_no_answer_is() -> None:
    project = make_project(overlap=3)
    items = make_items(project, 1, reserved=True, truth=None)
    make_open_batch(project, items, overlap=3)
    for name, value in (("annie", 3), ("bert", 4), ("carl", 4)):
        vote(project, name, value)
    found = {each.username: each for each in annotators_of(project, timezone.now())}
    assert found["annie"].control is not None
    assert found["annie"].control.value == 0
    assert found["bert"].control is None
    assert found["bert"].agreement is not None
    assert (found["bert"].agreement.right, found["bert"].agreement.n) == (1, 2)
    Correction.objects.create(item=items[0], user=make_member(project, "mona", "manager"), value=3)
    corrected = {each.username: each.control for each in annotators_of(project, timezone.now())}
    assert {name: share and share.value for name, share in corrected.items()} == {"annie": 1, "bert": 0, "carl": 0}


@pytest.mark.django_db
@pytest.mark.parametrize("items", [1, 6])
def test_nine_queries(items: int, django_assert_num_queries: Any) -> None:
    project = make_project(overlap=2)
    make_open_batch(project, make_items(project, items, reserved=True), overlap=2)
    for name in ("annie", "bert"):
        vote(project, name, 1)
    with django_assert_num_queries(9):
        annotators_of(project, timezone.now())


@pytest.mark.django_db
def test_answers_that_were_imported_are_nobodys_work() -> None:
    project = make_project(overlap=2)
    items = make_items(project, 6)
    make_open_batch(project, items[:1], overlap=2)
    imported = make_open_batch(project, items[1:], number=2, overlap=2)
    Batch.objects.filter(pk=imported.pk).update(strategy=IMPORTED, state=Batch.State.DONE)
    for name, value in (("annie", 3), ("bert", 4)):
        vote(project, name, value)
        for task in imported.tasks.all():  # newer than what was answered here, and all alike
            Annotation.objects.create(task=task, user=make_member(project, name), value=3, seconds=9)
    today = signed_in(User.objects.get(username="annie")).get(
        "/p/digits/label/today/", {"since": "2000-01-01T00:00:00Z"}
    )
    assert today.json() == {"answers": 1}
    for each in annotators_of(project, timezone.now()):
        assert (each.answers, each.median) == (1, 0)
        assert each.agreement is not None
        assert (each.agreement.right, each.agreement.n) == (0, 1)
