"""Test that page and endpoint of the agreement have the same figures, and that each links to its items."""

import re
from html import unescape
from typing import Any

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project, recount
from pages import member, text_of

from labeling.insight.agreement import agreement_of, label_of_others
from labeling.models import Annotation, Project, Role, Task, User
from labeling.projects.classes import changing as classes
from labeling.questions import QUESTIONS
from tests.extent import some

pytestmark = pytest.mark.django_db


def annotate(project: Project, answers: dict[User, list[Any]], *, number: int = 1, **fields: Any) -> list[Task]:
    """Create a batch in which each of these people has answered the items in order; None: not answered."""
    n = max(map(len, answers.values()))
    batch = make_open_batch(project, make_items(project, n, first=1000 * number), number=number, overlap=len(answers))
    batch.tasks.update(**fields)
    tasks = list(batch.tasks.order_by("rank"))
    Annotation.objects.bulk_create(
        Annotation(task=task, user=user, value=value)
        for user, values in answers.items()
        for task, value in zip(tasks, values, strict=True)
        if value is not None
    )
    recount(project)
    return tasks


def two_people(project: Project) -> tuple[User, User]:
    return make_member(project, "annie"), make_member(project, "bert")


def page(project: Project, role: str = Role.ENGINEER, **query: str) -> str:
    return text_of(member(project, role, "mona").get(reverse("project-agreement", args=[project.slug], query=query)))


def api(project: Project) -> dict[str, Any]:
    response = member(project, Role.ENGINEER, "enzo").get(f"/api/v1/projects/{project.slug}/agreement/")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def test_before_anything_can_be_compared() -> None:
    project = make_project()
    annotate(project, {make_member(project, "annie"): [1, 2, 3]})
    assert "Nothing to compare yet" in page(project)
    assert api(project)["items"] == 0


def test_a_few_items_tell_nothing_and_say_how_many_there_are() -> None:
    project = make_project()
    annie, bert = two_people(project)
    annotate(project, {annie: [1, 2, 3], bert: [1, 2, 4]})
    assert "Not enough data yet to tell: 3 items with 6 answers of 2 people, of at least 20 items." in page(project)
    assert "%" not in page(project).partition("What annie answers")[2].partition("Right")[0].partition("Columns")[0]
    body = api(project)
    assert (body["items"], body["percent"], body["pairs"][0]["kappa"]) == (3, None, None)


def test_coefficients_pairs_and_confusions() -> None:
    project = make_project()
    annie, bert = two_people(project)
    annotate(project, {annie: [1] * 12 + [2] * 12 + [3], bert: [1] * 10 + [2] * 14 + [None]})
    body = api(project)
    assert (body["items"], body["answers"], body["people"], body["whole"]) == (24, 48, 2, True)
    assert body["percent"]["value"] == pytest.approx(22 / 24)
    chance = (12 * 10 + 12 * 14) / 24**2
    assert body["cohen"]["value"] == pytest.approx((22 / 24 - chance) / (1 - chance))
    assert body["ordinal"] is None
    assert body["confusions"] == [{"classes": ["1", "2"], "items": 2}]
    annie_says = next(each for each in body["others"] if each["username"] == "annie")
    assert {(each["answered"], each["expected"]): each["n"] for each in annie_says["cells"]} == {
        ("1", "1"): 10, ("2", "2"): 12, ("1", "2"): 2,
    }  # fmt: skip
    text = page(project, person="annie")
    assert "22 of 24 answers right: 91.7" in text
    assert "2 of 24 differ" in text


@pytest.mark.parametrize(
    ("question", "one", "other"),
    some(
        [
            ("single", [1] * 9 + [2] * 12, [1] * 7 + [2] * 14),
            ("score", [1] * 9 + [2] * 12, [1] * 7 + [2] * 14),
            ("verify", [True] * 9 + [False] * 12, [True] * 7 + [False] * 14),
            ("multi", [[1, 3]] * 9 + [[]] * 12, [[1]] * 7 + [[]] * 14),
        ],
        2,
    ),
)
def test_each_figure_opens_its_items(question: str, one: list[Any], other: list[Any]) -> None:
    names = [str(point) for point in range(1, 6)] if question == "score" else [str(digit) for digit in range(10)]
    project = make_project(question=question, classes=names)
    annie, bert = two_people(project)
    annotate(project, {annie: one, bert: other})
    client = member(project, Role.ENGINEER, "mona")
    html = client.get(reverse("project-agreement", args=[project.slug], query={"person": "annie"})).content.decode()
    links = re.findall(r'<a[^>]* href="(/p/digits/items/\?[^"]+)"[^>]*>([^<]+)</a>(?:: (\d+))?', html)
    assert len(links) >= 4
    for address, text, after in links:
        listed = re.search(r"(\d[\d,]*) items?\b", text_of(client.get(unescape(address))).partition("Show")[2])
        assert listed, address
        assert listed[1] == (after or text.split()[0]), address
    if question == "score":
        assert api(project)["ordinal"] is not None


def test_nobody_is_judged_by_a_tie() -> None:
    single, score, multi = QUESTIONS["single"], QUESTIONS["score"], QUESTIONS["multi"]
    assert [label_of_others(single, each) for each in ([], [1], [1, 2], [1, 2, 2])] == [None, 1, None, 2]
    assert [label_of_others(score, each) for each in ([0, 4], [0, 3, 4], [2, 2])] == [None, 3, 2]
    assert [label_of_others(multi, each) for each in ([[1]], [[1], [1, 2]], [[], []])] == [[1], None, []]


def test_known_answers_stand_beside_the_others() -> None:
    project = make_project()
    annie, bert = two_people(project)
    tasks = annotate(project, {annie: [1, 1, 2], bert: [None] * 3})
    for task in tasks:
        project.items.filter(pk=task.item_id).update(gold=1)
        Task.objects.filter(pk=task.pk).update(item=None, repeats=task.item_id, is_gold=True)
    body = api(project)
    assert body["items"] == 0
    assert body["gold"][0]["username"] == "annie"
    assert body["gold"][0]["cells"] == [
        {"answered": "1", "expected": "1", "n": 2}, {"answered": "2", "expected": "1", "n": 1},
    ]  # fmt: skip
    client = member(project, Role.ENGINEER)
    found = client.get("/api/v1/projects/digits/items/?annotator=annie&answered=2&known=1").json()["results"]
    assert [each["id"] for each in found] == [tasks[2].item_id]
    assert "2 of 3 answers right: not enough data yet to tell" in page(project)


def test_answers_with_a_prediction_in_view_do_not_count_and_merged_classes_are_one() -> None:
    project = make_project()
    annie, bert = two_people(project)
    annotate(project, {annie: [1] * 30, bert: [1] * 30}, prompted=True)
    annotate(project, {annie: [1] * 20, bert: [2] * 20}, number=2)
    assert api(project)["percent"]["value"] == 0
    classes.merge(project=project, user=make_member(project, "mia", Role.MANAGER), index=2, into=1)
    project.refresh_from_db()
    assert api(project)["percent"]["value"] == 1
    items = member(project, Role.ENGINEER).get("/api/v1/projects/digits/items/?annotator=annie&unlike=bert")
    assert items.json()["count"] == 0


def test_the_comparison_is_kept_until_somebody_answers(django_assert_max_num_queries: Any) -> None:
    project = make_project()
    annie, bert = two_people(project)
    annotate(project, {annie: [1] * 20, bert: [1] * 20})
    assert agreement_of(project).items == 20
    with django_assert_max_num_queries(6):
        assert agreement_of(project).items == 20
    annotate(project, {annie: [1], bert: [2]}, number=2)
    assert agreement_of(project).items == 21
