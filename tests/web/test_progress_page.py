"""Test the progress page: its readers, its figures, and the page without figures."""

import datetime
import uuid
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project, recount
from pages import make_history, manager, member, text_of

from labeling.models import Annotation, Project, Role, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def page(project: Project, role: str = Role.MANAGER) -> str:
    return text_of(member(project, role, "mona").get(reverse("project-progress", args=[project.slug])))


def answer(project: Project, user: User, values: list[Any], seconds: float = 2.0) -> None:
    for value in values:
        [task] = queue.claim(project=project, user=user, count=1).tasks
        skip = "" if value is not None else "unclear"
        given = Answer(uuid.uuid4(), task.pk, value=value, skip_reason=skip, seconds=seconds)
        assert submitting.submit(project=project, user=user, answers=[given]).rejected == []


def test_before_the_first_batch_and_the_first_answer() -> None:
    project = make_project()
    assert "Nothing to show yet" in page(project)
    make_open_batch(project, make_items(project, 3))
    said = page(project)
    assert "No answers yet" in said
    assert "No labels yet" in said
    assert "Batch 1 has been under way for" in said
    assert "Annotators" not in said


def test_what_each_annotator_has_done() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 6, reserved=True, truth=1))
    answer(project, make_member(project, "annie"), [1, 1, 1, None], seconds=3)
    answer(project, make_member(project, "bert"), [1, 2], seconds=9)
    said = page(project, Role.ENGINEER)
    assert "annie 3 1 3 3.0 s 12 s – not enough data yet to tell: 3 control items – just now" in said
    assert "bert 2 0 2 9.0 s 18 s – not enough data yet to tell: 2 control items – just now" in said
    assert "Not enough data yet to tell how often people are right" in said
    assert "An answer takes from 3.0 s (annie) to 9.0 s (bert)" in said
    assert "Agrees with others Not known: each item was answered by one person." in said
    assert "5 answers within ten minutes" in said or "5 answers; the busiest ten minutes" in said


def test_an_item_that_lay_in_view_overnight_took_no_labeling() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    answer(project, make_member(project, "annie"), [1, 1], seconds=36_000)
    assert "annie 2 0 2 10 h 20 min" in page(project)


def test_what_was_answered_before_today_is_not_of_today() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    answer(project, make_member(project, "annie"), [1, 1])
    Annotation.objects.update(created_at=timezone.now() - datetime.timedelta(days=3))
    recount(project)
    assert "annie 2 0 0 2.0 s" in page(project)


def test_where_nothing_is_known_nobody_is_judged() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3, reserved=True, truth=None))
    answer(project, make_member(project, "annie"), [1, 1, 1])
    assert "It is not known how often people are right" in page(project)


def test_classes_that_have_labels() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 4))
    answer(project, make_member(project, "annie"), [1, 1, 7, None])
    said = page(project)
    assert "“1” is the most frequent label: 66.7 % of 3 labeled items; 8 of 10 classes have none yet" in said
    assert "1 2 66.7 %" in said


@pytest.mark.parametrize(
    ("question", "values", "says"),
    [
        ("multi", [[0, 2], [], [2]], "2 2 66.7 % 0 1 33.3 % none applies 1 33.3 %"),
        ("verify", [True, True, False], "yes 2 66.7 % no 1 33.3 %"),
    ],
)
def test_classes_of_every_kind_of_question(question: str, values: list[Any], says: str) -> None:
    project = make_project(question=question)
    make_open_batch(project, make_items(project, 3))
    answer(project, make_member(project, "annie"), values)
    assert says in page(project)


def test_charts_are_named_and_annotators_do_not_see_them() -> None:
    project = make_project()
    make_history(project, 2)
    html = manager(project).get("/p/digits/progress/").content.decode()
    assert 'role="img" aria-labelledby="rounds-title" aria-describedby="rounds-note"' in html
    assert 'role="img" aria-labelledby="balance-title" aria-describedby="balance-note"' in html
    assert "style=" not in html
    client = member(project, Role.ANNOTATOR)
    assert client.get("/p/digits/progress/").status_code == 403
    assert "Pace and people" not in text_of(client.get("/p/digits/"))
