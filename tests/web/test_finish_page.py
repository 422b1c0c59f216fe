"""Test the page that finishes a project, and the sentence on the overview."""

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from django.utils import timezone
from django.utils.formats import date_format
from factories import make_items, make_open_batch, make_project, recount
from pages import errors_of, make_history, manager, member, text_of
from pools import make_audit, make_certificate, pool_project

from labeling.finishing import reaching
from labeling.finishing.progress import PoolProgress
from labeling.models import Finish, Job, Notice, NoticeKind, Project, Role
from labeling.web.finish.words import sentence, stage
from tests.extent import some

pytestmark = pytest.mark.django_db

PAGE, TEXTS, AGAIN = "/p/pool/finish/", "/p/texts/finish/", "/p/again/finish/"


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    return pool_project(hourly_cost=17, currency="EUR")


@pytest.fixture
def pool(made: Project, once: Path, db: None, data_dir: Path) -> Project:
    copytree(once, data_dir, dirs_exist_ok=True)
    return made


def test_the_sentence() -> None:
    for progress, text in {
        (50_000, 11_200, 30_000, 0.0139, 14_400, 2): (
            "41,200 of 50,000 labeled; 1.4\u00a0% wrong at most; about 2 hours of two people to the end."
        ),
        (50_000, 200, 0, None, 1500, 1): "200 of 50,000 labeled; about 25 minutes of one person to the end.",
        (900, 500, 400, 0.02, 0, 3): "900 of 900 labeled; 2\u00a0% wrong at most.",
        (900, 500, 0, None, 400 * 3600, 20): "500 of 900 labeled; about 20 hours of 20 people to the end.",
    }.items():
        assert sentence(PoolProgress(*progress)) == text
    later = PoolProgress(1000, 600, 400, 0.02, 0, 3, later=100)
    said = "1,000 of 1,000 labeled; 2\u00a0% wrong at most; 100 items added since the last audit."
    assert sentence(later) == said
    people = PoolProgress(900, 500, 400, 0.02, 0, 3, people_wrong=0.006)
    assert sentence(people) == "900 of 900 labeled; 2\u00a0% wrong at most if 0.6\u00a0% of people’s labels are wrong."
    by_gold = PoolProgress(900, 500, 400, 0.06, 0, 3, people_wrong=0.08, by_gold=True)
    assert sentence(by_gold) == "900 of 900 labeled; 6\u00a0% wrong at most."


def test_the_forecast_is_shown_before_anything_is_done(pool: Project) -> None:
    client = manager(pool)
    usual, large = (text_of(client.get(PAGE, query)) for query in ({}, {"error": "5"}))
    assert "4 of 3,208 labeled. The model" in usual, "the forecast alone says the work"
    assert "For at most 2 % wrong in the whole pool, with 95 % confidence" in usual
    assert "For at most 5 % wrong" in large
    for text in (usual, large):
        assert "The model labels about" in text
        assert "of one person without the model about 7 hours of one person" in text
        assert "Cost about EUR" in text
        assert "from 200 control items" in text
    assert not Finish.objects.exists()
    engineer = text_of(member(pool, Role.ENGINEER).get(PAGE))
    assert "The model labels about" in engineer
    assert "Start" not in engineer
    assert "Cost" not in engineer


@pytest.mark.long
def test_the_forecast_by_class_lists_the_classes() -> None:
    client = manager(pool_project("again", classes=["cat", "dog"]))
    text = text_of(client.get(AGAIN, {"error": "5", "by_class": "class"}))
    assert "at most 5 % wrong of each class" in text
    assert "Predicted class Items The model labels The audit asks" in text


@pytest.mark.long
def test_several_classes_are_stated_together_or_each_by_itself() -> None:
    project = pool_project("again", question="multi", overlap_max=4, hourly_cost=17)
    project.items.filter(label__isnull=False).update(label_probability=0.999)
    client = manager(project)
    together, by_itself = (text_of(client.get(AGAIN, {"error": "6", "by_class": scope})) for scope in ("", "class"))
    assert "all classes of an item together" in together
    assert "at most 6 % of the items wrong about one class or more, with" in together
    assert "at most 6 % of the items wrong about each class, with" in by_itself
    for text in (together, by_itself):
        assert "The model labels about" in text
        assert "from 200 control items" in text
        assert "about classes that at most 6 % of the labeled items have" in text
    assert "Predicted class" not in by_itself, "one audit proves all classes"


def test_a_goal_is_started_changed_and_stopped_unless_it_is_refused(pool: Project) -> None:
    client = manager(pool)
    Project.objects.update(overlap_max=None)
    assert 'href="/p/pool/settings/answers/"' in client.get(PAGE).content.decode()
    answer = client.post(PAGE, {"error": "2", "confidence": "95"})
    assert answer.status_code == 400
    assert "Set “Maximum answers per item”, for example" in text_of(answer)
    Project.objects.update(overlap_max=3)
    for answer in (client.get(PAGE, {"error": "0"}), client.post(PAGE, {"error": "100", "confidence": "95"})):
        assert answer.status_code == 400
        assert errors_of(answer) == {"error": "Enter a number from 0.1 to 50."}
    assert not Finish.objects.exists()
    goal = {"error": "2,5", "confidence": "90", "by_class": "class"}
    text = text_of(client.post(PAGE, goal, follow=True))
    finish = Finish.objects.get()
    assert (finish.running, finish.error, finish.confidence, finish.by_class) == (True, 0.025, 0.9, True)
    assert Job.objects.filter(kind=Job.Kind.FINISH, project=pool).exists()
    assert "The goal is at most 2.5 % wrong of each class, with 90 % confidence. Started by mona" in text
    assert "Change to this goal" not in text
    assert "Change to this goal" in text_of(client.get(PAGE, {"error": "5"}))
    text = text_of(client.post(f"{PAGE}stop/", follow=True))
    assert "Stopped: no further audit begins" in text
    assert not Finish.objects.get().running


@pytest.mark.parametrize(
    ("question", "rounds", "reason"),
    [
        ("single", 0, "no model version yet"),
        ("multi", 1, "of people’s labels are expected to be wrong"),
        ("single", 1, "no predictions for the pool"),
    ],
)
def test_a_page_without_a_forecast_says_why(question: str, rounds: int, reason: str) -> None:
    project = make_project("texts", question=question)
    if rounds:
        make_history(project, rounds)
    answer = manager(project).get(TEXTS, {"error": "5"})
    assert answer.status_code == 200
    assert reason in text_of(answer)
    assert "Start" not in text_of(answer)


def test_audits_and_certificates_are_listed_with_their_state(pool: Project) -> None:
    version = pool.versions.get()
    make_audit(version, attempt=9, reason="The goal was changed.", state="ended")
    make_certificate(version, number=1)
    moved = "Classes were merged. People label its items, or a new audit proves them."
    make_certificate(version, number=2, suspended_at=timezone.now(), suspended_for=moved)
    text = text_of(manager(pool).get(PAGE))
    assert "ended without a proof: The goal was changed." in text
    assert f"suspended {moved}" in text
    assert "1 2,500 1.8 % 45 300 4 1" in text


@pytest.mark.parametrize("much", some([1, 3]))
def test_the_number_of_queries_is_fixed(much: int, django_assert_num_queries: Any) -> None:
    project = pool_project("again")  # nothing is kept of it yet
    for number in range(1, 1 + much):
        make_certificate(project.versions.get(), number=number)
    project.batches.update(selected_by=project.versions.get())
    client = manager(project)
    with django_assert_num_queries(51):
        assert client.get(AGAIN).status_code == 200


def test_the_overview_says_how_far_the_pool_is_from_finished() -> None:
    project = make_project("texts")
    make_open_batch(project, make_items(project, 20))
    Project.objects.filter(pk=project.pk).update(encoded_rows=20)
    assert "0 of 20 labeled; about 2 minutes of one person to the end." in text_of(manager(project).get("/p/texts/"))
    assert "to the end" not in text_of(member(project, Role.ANNOTATOR).get("/p/texts/"))


def test_a_goal_that_is_over_says_what_is_left() -> None:
    for left, text in (
        (0, "The goal is reached: all items have a label."),
        (2, "2 items without a label wait for a manager."),
    ):
        progress = PoolProgress(pool=20, labeled=12, certified=8 - left, wrong=0.01, seconds=0, people=1)
        assert text in stage([], progress, is_over=True)


def ended_project(left: int) -> Project:
    """Create a project whose goal runs and whose last batch is done, with `left` items that wait for a manager."""
    project = make_project("texts")
    items = make_items(project, 20)
    make_open_batch(project, items)
    project.items.filter(pk__in=[item.pk for item in items[left:]]).update(label=1)
    Finish.objects.create(project=project, forecasts=[])
    now = timezone.now()
    project.batches.update(state="done", remaining=0, completed_at=now, done_at=now)
    recount(project)
    Project.objects.filter(pk=project.pk).update(nothing_left_at=now, encoded_rows=20)
    return project


def test_a_reached_goal_is_done_with_a_date_and_a_number_and_cannot_be_stopped() -> None:
    answer = manager(ended_project(0)).get(TEXTS)
    text, day = text_of(answer), date_format(timezone.now(), "DATE_FORMAT")
    assert f"Done 20 labels, since {day} 20 of 20 labeled." in text
    assert "The goal is reached: all items have a label." in text
    assert "/stop/" not in answer.content.decode()
    for word in ("Under way", "running", "to the end", "waits for a manager"):
        assert word not in text


def test_the_members_are_told_once_that_the_goal_is_reached() -> None:
    project = ended_project(1)
    manager(project)
    for _ in range(2):
        reaching.look(timezone.now())
        assert not Notice.objects.exists(), "an item waits for a manager"
    project.items.filter(label__isnull=True).update(label=1)
    recount(project)
    for _ in range(2):
        reaching.look(timezone.now())
        assert list(Notice.objects.values_list("kind", flat=True)) == [NoticeKind.GOAL_REACHED]
    Project.objects.update(nothing_left_at=None)
    reaching.look(timezone.now())
    assert Finish.objects.get().reached_at is None, "items were added"


def test_gold_items_that_no_batch_picked_keep_no_goal_from_its_end() -> None:
    project = ended_project(0)
    make_items(project, 5, first=20, gold=1)
    Project.objects.filter(pk=project.pk).update(encoded_rows=25)
    assert "Done 20 labels" in text_of(manager(project).get(TEXTS))


def test_what_only_a_manager_can_settle_is_nobody_elses_minutes() -> None:
    answer = manager(ended_project(1)).get(TEXTS)
    text, page = text_of(answer), answer.content.decode()
    assert "19 of 20 labeled. Waiting for a manager" in text
    assert "1 item without a label waits for a manager. Open the review" in text
    assert 'href="/p/texts/review/">Open' in page
    assert "/stop/" not in page
    assert "to the end" not in text
