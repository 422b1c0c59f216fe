"""Test that pages and API show which version picks batches and why, and that managers choose another, and go back."""

from typing import Any

import pytest
from django.test import Client
from factories import make_member, make_project
from pages import make_history, manager, member, signed_in, text_of

from labeling.models import Batch, ModelVersion, Project, Role, VersionChoice

pytestmark = pytest.mark.django_db

OVERVIEW, BATCH, MODELS, MODEL = "/p/digits/", "/p/digits/batches/4/", "/p/digits/models/", "/p/digits/models/3/"
API = "/api/v1/projects/digits/models/"
GATE = {"against": 2, "n": 212, "gained": 4, "lost": 19}
FINDING = "Of the same 212 control items, version 3 is right on 4 that version 2 had wrong, and wrong on 19 that it had right: it is worse."  # noqa: E501


@pytest.fixture
def project() -> Project:
    """Create three versions, each the newest when it picked a batch, and an open batch 4."""
    project = make_project()
    for batch in make_history(project, 3):
        Batch.objects.filter(pk=batch.pk).update(newest_version=batch.selected_by and batch.selected_by.number)
    return project


@pytest.fixture
def held_back(project: Project) -> Project:
    """Make the third version worse, so that the second has picked batch 4."""
    ModelVersion.objects.filter(number=3).update(held_back=True, gate=GATE)
    Batch.objects.filter(number=4).update(selected_by=project.versions.get(number=2), newest_version=3)
    return project


def test_where_the_newest_picks_there_is_nothing_to_tell_and_a_batch_names_who_chose(project: Project) -> None:
    client = manager(project)
    for path in (OVERVIEW, BATCH, MODELS, MODEL):
        page = text_of(client.get(path))
        assert "held back;" not in page
        assert "Automatic again" not in page
    assert "in use" in text_of(client.get(MODEL))
    assert text_of(client.get(MODELS)).count("in use") == 1
    client.post("/p/digits/models/1/use/")
    choice = VersionChoice.objects.get()
    Batch.objects.filter(number=4).update(selected_by=choice.version, choice=choice, newest_version=3)
    assert "Version 1 picked it, because mona had chosen that version." in text_of(client.get(BATCH))
    told = client.get("/api/v1/projects/digits/batches/4/").json()
    assert (told["selected_by"], told["newest_version"], told["chosen_by"]) == (1, 3, "mona")


@pytest.mark.parametrize("path", [OVERVIEW, MODELS])
def test_a_version_that_is_held_back_is_told_with_what_it_means_and_what_to_do(held_back: Project, path: str) -> None:
    said = f"Version 3 is held back; version 2 continues to pick the batches. {FINDING}"
    page = text_of(manager(held_back).get(path))
    assert said in page
    assert "If they are right, do nothing" in page
    assert "Use version 3 anyway" in page
    engineer = text_of(member(held_back, Role.ENGINEER).get(path))
    assert said in engineer
    assert "A manager can use it anyway." in engineer
    assert "Use version 3 anyway" not in engineer


def test_annotators_are_not_bothered(held_back: Project) -> None:
    client = member(held_back, Role.ANNOTATOR)
    assert "held back" not in text_of(client.get(OVERVIEW)) + text_of(client.get(BATCH))


def test_the_version_and_the_batch_it_did_not_pick_say_so(held_back: Project) -> None:
    client = member(held_back, Role.ENGINEER)
    assert f"It was held back after its training. It picks no batch unless a manager chooses it. {FINDING}" in text_of(
        client.get(MODEL)
    )
    page = text_of(client.get(BATCH))
    assert "Version 2 picked it: version 3, the newest then, is held back." in page
    assert "picked by cluster-margin, version 2, not 3" in page
    assert "by cluster-margin, version 2, not 3" in text_of(client.get("/p/digits/batches/"))


def test_one_click_there_and_one_back(held_back: Project) -> None:
    client = manager(held_back)
    page = client.post(f"{MODEL}use/", {"back": "overview"}, follow=True)
    assert page.redirect_chain[-1][0] == OVERVIEW
    assert "Version 3 picks the batches, from the next one on." in text_of(page)
    assert "Version 3 picks the batches: mona chose it just now . Later versions do not pick." in text_of(page)
    assert "held back;" not in text_of(page)
    page = client.post("/p/digits/models/automatic/", follow=True)
    assert page.redirect_chain[-1][0] == MODELS
    assert "Version 3 is held back; version 2 continues to pick the batches." in text_of(page)
    assert "Earlier choices Automatic again mona, just now Version 3 mona, just now" in text_of(page)
    told = [(str(choice.user), choice.version and choice.version.number) for choice in VersionChoice.objects.all()]
    assert told == [("mona", 3), ("mona", None)]


def test_what_cannot_be_compared_is_told(project: Project) -> None:
    ModelVersion.objects.filter(number=3).update(gate={**GATE, "n": 0, "gained": 0, "lost": 0})
    client = manager(project)
    assert "passed No control item was labeled yet." in text_of(client.get(MODEL))
    ModelVersion.objects.filter(number=3).update(gate={**GATE, "reason": "gone"})
    assert "It was not compared: the files of version 2 could not be read." in text_of(client.get(MODEL))


def test_the_api_tells_and_takes_the_same(held_back: Project) -> None:
    client: Client = manager(held_back)
    automatic = {"version": 2, "newest": 3, "by_gate": 2, "chosen_by": None, "chosen_at": None}
    assert client.get(f"{API}in-use/").json() == automatic
    listed = client.get(API).json()["results"]
    assert [(each["version"], each["in_use"], each["held_back"]) for each in listed] == [
        (3, False, True),
        (2, True, False),
        (1, False, False),
    ]
    assert [each["gate"] for each in listed] == [GATE, None, None]
    assert client.post(f"{API}3/use/").json()["in_use"] is True
    found = client.get(f"{API}in-use/").json()
    assert (found["version"], found["by_gate"], found["chosen_by"]) == (3, 2, "mona")
    assert client.delete(f"{API}in-use/").json() == automatic
    assert client.post(f"{API}9/use/").json() == {
        "code": "not_found",
        "detail": "There is no model version 9 in this project.",
    }


def test_without_a_version() -> None:
    client = manager(make_project())
    assert client.get(f"{API}in-use/").status_code == 404
    assert client.post("/p/digits/models/1/use/").status_code == 404
    assert client.post("/p/digits/models/automatic/").status_code == 302
    assert not VersionChoice.objects.exists()


def test_another_projects_version_cannot_be_chosen(project: Project) -> None:
    other = make_project("other")
    stranger = signed_in(make_member(other, "olaf", Role.MANAGER))
    for path in ("/p/other/models/3/use/", "/api/v1/projects/other/models/3/use/"):
        assert stranger.post(path).status_code == 404
    assert not VersionChoice.objects.exists()


def test_queries_of_the_list(held_back: Project, django_assert_num_queries: Any) -> None:
    client = manager(held_back)
    # session, user, membership; versions twice, control items, and if they changed; newest version, the gate's;
    # choice, choices
    with django_assert_num_queries(13):
        client.get(MODELS)
