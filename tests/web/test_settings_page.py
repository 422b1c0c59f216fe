"""Test the settings page: saved and refused values, and their consequences."""

import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project
from pages import errors_of, manager, text_of

from labeling.insight.pool_counts import PoolCounts, count_pool
from labeling.kinds import KINDS
from labeling.models import Project
from labeling.projects.create import create_project
from labeling.projects.settings import ON_PAGE, SECTIONS, default_of
from labeling.questions import QUESTIONS
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.web.settings.consequences import NAMES
from models_store.config import TrainConfig
from tests.extent import some

pytestmark = pytest.mark.django_db

# As a page of a new project sends them, but for those that are named.
GOOD = {
    **{name: "" if (value := default_of(name)) is None or value is False else str(value) for name in ON_PAGE},
    "name": "Digits, again",
    "prompt": "Which digit?",
    "show_predictions": "on",
    "class_proposals": "on",
    "grids": "on",
    "near_copies": "0",  # a private project has none
    "batch_size": "250",
    "control_share": "0.25",
    "strategy": "margin",
    "candidate_factor": "7.5",
    "mean_cluster_size": "12",
    "class_guard": "2.5",
    "overlap": "2",
    "gold_share": "0.1",
    "gold_threshold": "0.8",
    "overlap_max": "4",
    "label_confidence": "0.97",
    "resolving": "dawid-skene",
    "review_share": "0.05",
    "lease_seconds": "90",
    "kept_ready": "25",
    "deadline_hours": "24",
    "complete_share": "0.8",
    "pick_ahead": "0.7",
    "replace_skips": "",
    "privacy_epsilon": "5",
    "privacy_delta": "1e-7",
    "privacy_trainings": "4",
    "hourly_cost": "17.50",
    "currency": "CHF",
    "training-epochs": "",
    "training-max_seconds": "30",
    "training-augment": "false",
}


def address(project: Project, page: str = "usual") -> str:
    slug = project.slug
    return f"/p/{slug}/settings/" if page == "usual" else reverse("project-settings-page", args=[slug, page])


def names_on(page: str) -> list[str]:
    """Return the names of the controls on a page."""
    [section] = [each for each in SECTIONS if each.name == page]
    texts = ["name", "prompt"] if page == "usual" else []
    return [*texts, *(each.name for each in section.settings), *(f"training-{name}" for name in section.trainer)]


def page_of(field: str) -> str:
    """Return the name of the page that has a control."""
    [page] = [each.name for each in SECTIONS if field in names_on(each.name)]
    return page


def values_of(page: str, **changes: str) -> dict[str, str]:
    """Return what a page sends."""
    return {name: value for name, value in GOOD.items() if name in names_on(page)} | changes


def test_all_of_it_is_saved_page_by_page() -> None:
    project = make_project()
    client = manager(project)
    for section in SECTIONS:
        page = client.post(address(project, section.name), values_of(section.name), follow=True)
        assert page.redirect_chain == [(address(project, section.name), 302)]
        assert "Saved." in text_of(page), section.name
    saved = Project.objects.get()
    assert (saved.name, saved.prompt) == ("Digits, again", "Which digit?")
    assert (saved.batch_size, saved.control_share, saved.strategy) == (250, 0.25, "margin")
    assert (saved.candidate_factor, saved.mean_cluster_size, saved.class_guard) == (7.5, 12.0, 2.5)
    assert (saved.overlap, saved.lease_seconds, saved.near_copies) == (2, 90, 0)
    assert (saved.show_predictions, saved.class_proposals, saved.grids) == (True, True, True)
    assert (saved.overlap_max, saved.label_confidence) == (4, 0.97)
    assert saved.resolving == "dawid-skene"
    assert (saved.deadline_hours, saved.complete_share, saved.pick_ahead) == (24.0, 0.8, 0.7)
    assert not saved.replace_skips
    assert (saved.privacy_epsilon, saved.privacy_delta, saved.privacy_trainings) == (5.0, 1e-7, 4)
    assert (saved.hourly_cost, saved.currency) == (Decimal("17.50"), "CHF")
    assert saved.training == {"max_seconds": 30.0, "augment": False}


def test_near_copies_are_not_for_private_projects_and_say_what_they_cost() -> None:
    project = make_project()
    make_items(project, 300)
    client = manager(project)
    path, some = address(project, "near-copies"), values_of("near-copies", near_copies="6")
    client.post(path, some)
    assert Project.objects.get().near_copies == 6
    refused = client.post(address(project, "privacy"), values_of("privacy"))
    assert (refused.status_code, Project.objects.get().privacy_epsilon) == (400, None)
    assert "Maximum near-copies per item: Near-copies are for images and texts where" in text_of(refused)
    page = text_of(client.get(path))
    assert "One answer counts for items that look the same." in page
    assert "Near-copies up to" in page


def test_near_copies_of_a_project_that_became_private_can_be_set_to_none() -> None:
    project = make_project(near_copies=6)
    Project.objects.update(privacy_epsilon=5)
    assert 'name="near_copies"' in manager(project).get(address(project, "near-copies")).content.decode()


def test_an_error_of_a_field_on_another_page_names_it() -> None:
    project = make_project(overlap_max=3)
    response = manager(project).post(address(project), values_of("usual", overlap="3"))
    assert (response.status_code, errors_of(response)) == (400, {})
    assert "Maximum answers per item: Enter more than 3, the number of answers" in text_of(response)
    assert Project.objects.get().overlap == 1


def test_pages_have_at_most_twelve_fields_and_every_setting_of_the_trainer() -> None:
    assert max(len(names_on(each.name)) for each in SECTIONS) <= 12
    assert sorted(name for each in SECTIONS for name in each.trainer) == sorted(TrainConfig.__dataclass_fields__)


def test_each_page_has_its_fields_alone_and_leads_to_the_others() -> None:
    project = make_project(grids=False)
    client = manager(project)
    for section in SECTIONS:
        page = client.get(address(project, section.name)).content.decode()
        form = page.partition('<form id="settings"')[2].partition("</form>")[0]
        assert {*re.findall(r'name="([\w-]+)"', form)} - {"csrfmiddlewaretoken"} == {*names_on(section.name)}
        index = page.partition('<nav class="index')[2].partition("</nav>")[0]
        assert [each.name for each in SECTIONS if f'href="{address(project, each.name)}"' in index] == [
            each.name for each in SECTIONS
        ]
        assert f'<a href="{address(project, section.name)}" aria-current="page">{section.title}</a>' in index
    assert client.get("/p/digits/settings/elsewhere/").status_code == 404


def test_a_page_without_fields_is_none() -> None:
    project = make_project(kind="vector")
    client = manager(project)
    assert "near-copies/" not in client.get(address(project)).content.decode()
    assert client.get(address(project, "near-copies")).status_code == 404


def test_empty_settings_go_back_to_none_or_the_default() -> None:
    project = make_project(deadline_hours=24, hourly_cost=20, class_guard=2)
    client = manager(project)
    client.post(address(project), values_of("usual", hourly_cost="", currency=""))
    client.post(address(project, "batch"), values_of("batch", deadline_hours="", class_guard=""))
    saved = Project.objects.get()
    assert (saved.deadline_hours, saved.hourly_cost, saved.currency, saved.class_guard) == (None, None, "", None)


def test_what_was_saved_is_shown() -> None:
    project = make_project(training={"epochs": 7, "augment": True}, candidate_factor=5.0)
    client = manager(project)
    steps, learning, batch = (
        client.get(address(project, page)).content.decode() for page in ("steps", "learning", "batch")
    )
    assert 'name="training-epochs" value="7"' in steps
    assert '<option value="true" selected>Yes</option>' in learning
    assert 'name="candidate_factor" value="5"' in batch


def test_what_the_worker_counts_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    client = manager(project)
    save = Project.save

    def slow_save(self: Project, *args: Any, **kwargs: Any) -> None:
        Project.objects.update(encoded_rows=99, loop="paused")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Project, "save", slow_save)
    client.post(address(project), values_of("usual"))
    saved = Project.objects.get()
    assert (saved.encoded_rows, saved.loop, saved.batch_size) == (99, "paused", 250)


def test_a_setting_emptied_goes_back_to_the_trainers_default() -> None:
    project = make_project(training={"epochs": 7, "augment": False})
    manager(project).post(address(project, "steps"), {})
    assert Project.objects.get().training == {"augment": False}


WRONG = {
    ("name", "Enter a name for the project."): [""],
    ("batch_size", "Enter a whole number from 1 to 1,000,000."): ["0", "-1", "1.5", ""],
    ("control_share", "Enter a number from 0 to 0.9."): ["0.95", "nan"],
    ("candidate_factor", "Enter a number from 1 to 1,000, or nothing."): ["0.5", "inf"],
    ("mean_cluster_size", "Enter a number from 1 to 1,000,000."): ["x"],
    ("overlap", "Enter a whole number from 1 to 25."): ["26"],
    ("overlap_max", "Enter more than 2, the number of answers"): ["2"],
    ("lease_seconds", "Enter a whole number from 5 to 604,800."): ["1"],
    ("deadline_hours", "Enter a number from 0.1 to 8,760, or nothing."): ["0", "soon"],
    ("complete_share", "Enter a number from 0.1 to 1."): [""],
    ("hourly_cost", "Enter a number from 0 to 9,999,999 with at most two decimals, or"): ["-1", "1.234", "1e9", "nan"],
    ("strategy", "not one of the available choices"): ["luck"],
    ("class_guard", "Enter a number from 1 to 20,000, or nothing."): ["0.5"],
    ("training-epochs", "Enter a whole number from 1 to 10,000, or nothing"): ["0"],
    ("training-learning_rate", "Enter a number from 0.000001 to 1, or nothing"): ["2"],
    ("training-augment", "not one of the available choices"): ["perhaps"],
}


def test_bad_input_is_told_beside_its_field_and_kept() -> None:
    project = make_project(name="Digits", prompt="As it was", overlap=2)
    client = manager(project)
    for (field, says), texts in WRONG.items():
        for text in texts:
            page = page_of(field)
            response = client.post(address(project, page), values_of(page, **{field: text}))
            assert response.status_code == 400, (field, text)
            assert list(errors_of(response)) == [field], text
            assert says in errors_of(response)[field]
            [title] = [each.title for each in SECTIONS if each.name == page]
            assert f"<title>Error: {title} · Digits · Marginalia</title>" in response.content.decode()
            assert page != "usual" or "Which digit?" in response.content.decode()
    assert (Project.objects.get().prompt, Project.objects.get().training) == ("As it was", {})


@pytest.mark.parametrize("typed", ["two dozen", "0", "1e9"])
def test_even_what_is_no_number_is_kept(typed: str) -> None:
    response = manager(make_project()).post("/p/digits/settings/", values_of("usual", batch_size=typed))
    assert f'name="batch_size" value="{typed}"' in response.content.decode()


def test_every_setting_of_the_trainer_is_there_with_its_meaning() -> None:
    client = manager(make_project())
    page = " ".join(text_of(client.get(f"/p/digits/settings/{name}/")) for name in ("steps", "learning"))
    for field in TrainConfig.__dataclass_fields__.values():
        for sentence in field.metadata["meaning"].replace("`", "").split(". "):
            assert sentence in page, field.name


def ask(project: Project, **query: str) -> dict[str, Any]:
    return manager(project).get(f"{address(project)}consequence/", query).json()


def pool_of_forty() -> Project:
    project = make_project(batch_size=10, candidate_factor=2.0, control_share=0.2)
    items = make_items(project, 40)
    project.items.filter(pk__in=[item.pk for item in items[:8]]).update(reserved=True)
    return project


def test_the_page_forecasts_the_next_batch() -> None:
    project = pool_of_forty()
    client = manager(project)
    page = text_of(client.get(address(project)))
    assert "Items 10 10 8 picked, 2 for control" in page
    assert "No pace measured yet: 5 s an answer are assumed." in page
    page = text_of(client.get(address(project, "batch")))
    assert "32 all: there is no model yet" in page
    assert "No pace measured yet" not in page


def test_what_is_typed_is_told_beside_what_is_saved() -> None:
    project = pool_of_forty()
    answer = ask(project, batch_size="20", overlap="1")
    assert answer["rows"]["size"] == {"was": "10", "now": "20", "detail": "16 picked, 4 for control"}
    assert answer["rows"]["rounds"] == {"was": "4", "now": "2", "detail": "until no item is left"}
    assert "Items: 20 instead of 10" in answer["changes"]
    assert all(row["was"] == row["now"] for row in ask(project)["rows"].values())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": "0"}, "Batch size: Enter a whole number from 1 to 1,000,000."),
        ({"control_share": "2"}, "Control share: Enter a number from 0 to 0.9."),
        ({"candidate_factor": "0"}, "Candidate factor: Enter a number from 1 to 1,000, or nothing."),
        ({"overlap": "0"}, "Overlap: Enter a whole number from 1 to 25."),
        ({"hourly_cost": "much"}, "Cost of an hour: Enter a number from 0"),
    ],
)
def test_what_would_be_refused_has_no_consequence(wrong: dict[str, str], says: str) -> None:
    answer = ask(pool_of_forty(), **wrong)
    assert answer["errors"][0].startswith(says)
    assert "rows" not in answer


def test_an_empty_candidate_factor_is_saved() -> None:
    project = make_project(candidate_factor=5.0)
    manager(project).post(address(project, "batch"), values_of("batch", candidate_factor=""))
    assert Project.objects.get().candidate_factor is None


def test_what_batches_took_is_not_in_the_pool() -> None:
    project = pool_of_forty()
    make_open_batch(project, list(project.items.order_by("pk")[:10]))
    project.batches.update(control_tasks=8)
    page = text_of(manager(project).get(address(project)))
    assert "of 30 unlabeled items" in page
    assert "10 picked, 0 for control" in page
    assert project.items.unlabeled().count() == 30


def test_the_pace_is_that_of_the_newest_answers() -> None:
    project = pool_of_forty()
    annie = make_member(project, "annie")
    make_open_batch(project, list(project.items.order_by("-pk")[:10]))
    for seconds in (2, 3, 3, 4, 90):
        task = queue.claim(project=project, user=annie, count=1).tasks[0]
        submitting.submit(
            project=project, user=annie, answers=[Answer(uuid.uuid4(), task.pk, value=1, seconds=seconds)]
        )
    page = text_of(manager(project).get(address(project)))
    assert "At 3.0 s an answer, the median of the newest 5 answers." in page
    assert "30 s if one person labels Accuracy" in page


def test_an_empty_pool_says_so() -> None:
    page = text_of(manager(make_project()).get("/p/digits/settings/"))
    assert "No item is left to label. The settings apply to items that are imported later." in page


def test_the_pool_is_counted_as_the_selection_sees_it() -> None:
    project = pool_of_forty()
    make_items(project, 3, first=40, row=None, reserved=True)
    make_items(project, 2, first=43, row=None)
    make_open_batch(project, list(project.items.order_by("pk")[:10]))
    project.batches.update(control_tasks=8)
    unlabeled = project.items.unlabeled()
    assert count_pool(project) == PoolCounts(unlabeled.count(), unlabeled.control().count()) == PoolCounts(30, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", some(QUESTIONS, 2))
def test_consequences_are_told_where_some_settings_have_no_field(kind: str, question: str) -> None:
    """A project of vectors has no near-copies, and its form has no field for them."""
    project = make_project(kind=kind, question=question)
    answer = manager(project).get(f"/p/{project.slug}/settings/consequence/", {"batch_size": "123"})
    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]
    assert warning == "No item is left to label. The settings apply to items that are imported later."


@pytest.mark.parametrize(("typed", "saved"), [("25,50", "25.50"), (" 7,5 ", "7.50"), ("12.25", "12.25")])
def test_a_price_may_have_a_decimal_comma(typed: str, saved: str) -> None:
    project = make_project()
    response = manager(project).post(address(project), values_of("usual", hourly_cost=typed, control_share="0,15"))
    assert response.status_code == 302
    project.refresh_from_db()
    assert (str(project.hourly_cost), project.control_share) == (saved, 0.15)


@pytest.mark.parametrize("typed", ["1,000", "1,2,3", "1.000,50"])
def test_what_may_be_thousands_is_no_decimal(typed: str) -> None:
    response = manager(make_project()).post("/p/digits/settings/", values_of("usual", hourly_cost=typed))
    assert list(errors_of(response)) == ["hourly_cost"]


def test_figures_that_do_not_follow_what_was_typed_say_so() -> None:
    project = make_project()
    make_items(project, 3)
    client, sentence = manager(project), 'id="consequence-unknown"'
    assert f"{sentence} hidden" in client.get(address(project)).content.decode()
    page = client.post(address(project), values_of("usual", hourly_cost="much")).content.decode()
    assert f"{sentence}>Correct the wrong fields" in page


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", some(QUESTIONS, 2))
def test_a_page_with_errors_tells_consequences_where_some_settings_have_no_field(kind: str, question: str) -> None:
    project = make_project(kind=kind, question=question)
    response = manager(project).post(address(project), values_of("usual", name="", batch_size="123"))
    assert (response.status_code, list(errors_of(response))) == (400, ["name"])
    page = response.content.decode()
    [telling] = re.findall(r'data-telling="([^"]*)"', page)
    assert set(telling.split()) <= set(re.findall(r'name="(\w+)"', page)), "the script reads each of these fields"
    assert {"control_share", "batch_size"} <= set(telling.split())
    assert f'for="{" ".join(f"id_{name}" for name in telling.split())}"' in page


def marks_of(page: str) -> dict[str, str]:
    """Return the mark of each page of settings that has one, by the page's title."""
    index = page.partition('<nav class="index')[2].partition("</nav>")[0]
    return dict(re.findall(r'>([^<]+)</a> <span\s+class="mark"><span aria-hidden="true">(\d+)</span>', index))


def test_settings_that_differ_from_their_defaults_are_marked() -> None:
    project = make_project(
        batch_size=7, gold_share=0.1, gold_threshold=0.9, deadline_hours=3, pick_ahead=default_of("pick_ahead")
    )
    Project.objects.update(training={"epochs": 3})
    client = manager(project)
    page = client.get(address(project, "answers")).content.decode()
    assert marks_of(page) == {"Usual settings": "1", "The batch": "1", "Checking answers": "2", "Training steps": "1"}
    optional, mark = r'(?: <span\s+class="muted">\(optional\)</span>)?', r' <span\s+class="mark">changed'
    labels = re.findall(rf'<label for="id_\w+">([^<]+?){optional}{mark}', page)
    assert labels == ["Gold share", "Pause people who are right less often than"]
    assert "Epochs <span" in re.sub(r"\s+", " ", client.get(address(project, "steps")).content.decode())


@pytest.mark.parametrize(("question", "kind"), [("verify", "image"), ("single", "text")])
def test_a_new_project_has_no_mark(question: str, kind: str) -> None:
    project = create_project(slug="digits", kind=kind, classes=["a", "b"], settings={"question": question})
    assert marks_of(manager(project).get("/p/digits/settings/").content.decode()) == {}


def test_each_page_shows_what_it_changes_alone() -> None:
    assert {key for each in SECTIONS for key in each.leads_to} == {*NAMES}
    project = pool_of_forty()
    client = manager(project)
    for section in SECTIONS:
        page = client.get(address(project, section.name)).content.decode()
        shown = re.findall(r'data-row="([\w-]+)"', page)
        rows = client.get(f"{address(project)}consequence/", {"page": section.name}).json()["rows"]
        assert [*rows] == shown
        assert {*shown} <= {*section.leads_to}
        assert ("What this leads to" in page) == bool(section.leads_to)
