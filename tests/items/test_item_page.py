"""Test the page of an item, with the history of its label and the form that corrects it."""

import re
from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_project
from mixture import mixture
from pages import make_version, manager, member, text_of

from labeling.models import Annotation, Batch, Item, Project, Role
from labeling.queue.queue import undo
from tests.extent import some

pytestmark = pytest.mark.django_db


def item_of(project: Project, number: int) -> Item:
    return project.items.order_by("pk")[number]


def address(project: Project, number: int, more: str = "") -> str:
    return f"/p/{project.slug}/items/{item_of(project, number).pk}/{more}"


def error_of(response: Any) -> str:
    found = re.search(r'errorlist" id="correct-\w+_error"><li>(.*?)</li>', response.content.decode())
    return found[1] if found else ""


def test_it_tells_how_the_label_came_to_be(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    assert "1 of 2 answers agree." in text_of(client.get(address(project, 1)))
    assert "All 2 answers agree." in text_of(client.get(address(project, 0)))
    assert "All annotators skipped it: annie, bert." in text_of(client.get(address(project, 2)))
    assert "bert’s answer." in text_of(client.get(address(project, 3)))
    assert "Confirmed by mona." in text_of(client.get(address(project, 5)))
    assert "1 of 2 have answered." in text_of(client.get(address(project, 6)))
    Batch.objects.filter(tasks__item=item_of(project, 3)).update(strategy="imported")
    Annotation.objects.filter(task__item=item_of(project, 3)).update(seconds=0)
    assert "Imported." in text_of(client.get(address(project, 3)))
    assert "The encoder could not read it: Broken." in text_of(client.get(address(project, 11)))


def test_every_annotation_is_listed_those_taken_back_too(project: Project) -> None:
    given = item_of(project, 6).task.annotations.get()
    undo(project=project, user=given.user, annotation_id=given.pk)
    words = text_of(manager(project).get(address(project, 6)))
    assert "annie class 3 taken back just now" in words
    words = text_of(manager(project).get(address(project, 2)))
    assert "annie skipped: Cannot be made out 1.5 s" in words
    assert "bert class 5 yes flagged 1.5 s" in text_of(manager(project).get(address(project, 4)))
    words = text_of(manager(project).get(address(project, 5)))
    assert re.search("mona class 7 Yes. (just now|.{1,9} ago) now", words)


def test_it_tells_why_it_was_picked_and_what_the_model_took_it_for(project: Project) -> None:
    version = make_version(Batch.objects.get(number=1), 1)
    Batch.objects.filter(number=2).update(selected_by=version, strategy="cluster-margin")
    task = item_of(project, 7).task
    picked = {"cluster": 1234, "cluster_size": 7, "draw_pass": 0, "predicted": 4, "confidence": 0.625}
    type(task).objects.filter(pk=task.pk).update(**picked)
    words = text_of(member(project, Role.ENGINEER).get(address(project, 7)))
    assert "Picked in pass 1 from cluster 1234, which held 7 candidates" in words
    assert "Margin 0.2500" in words
    assert "Predicted class 4 (62.5 % sure) by version 1" in words
    assert "Cluster 1,234" in words
    assert "Cluster size 7" in words
    assert "truth" not in words.lower()


@pytest.mark.parametrize(
    ("question", "cases"),
    [
        ("single", [({"value": "class 9"}, 9)]),
        (
            "multi",
            [
                ({"value": ["class 9", "class 2"]}, [2, 9]),
                ({"value": ["class 9"], "also": "class 4"}, [4, 9]),
                ({}, []),
            ],
        ),
        ("verify", [({"value": "false"}, False)]),
    ],
)
def test_a_label_is_corrected(question: str, cases: list[tuple[dict[str, Any], Any]]) -> None:
    project = mixture(question, slug=question)
    client = manager(project)
    for sent, stored in cases:
        response = client.post(address(project, 0, "correct/"), {**sent, "note": " Look. "}, follow=True)
        item = item_of(project, 0)
        assert item.label == stored
        said = item.corrections.latest("pk")
        assert (said.value, said.note, said.user.username) == (stored, "Look.", "mona")
        assert "item-0000 is settled." in text_of(response)


@pytest.mark.parametrize("question", some(["single", "multi", "verify"], 2))
def test_the_present_label_stands_in_the_form_to_be_confirmed(question: str) -> None:
    for classes in ([f"class {n}" for n in range(20)], [f"class {n}" for n in range(9)]):
        project = mixture(question, slug=f"{question}-{len(classes)}") if len(classes) > 10 else small(question)
        client = manager(project)
        page = client.get(address(project, 0)).content.decode()
        controls = re.findall(r'<input[^>]*name="value"[^>]*>', page)
        assert controls
        values = [
            re.search(r'value="(.*?)"', each)[1]  # type: ignore[index]
            for each in controls
            if "checked" in each or 'type="text"' in each
        ]
        before = item_of(project, 0).label
        client.post(address(project, 0, "correct/"), {"value": values})
        item = item_of(project, 0)
        assert (item.label, item.corrections.count()) == (before, 1)


def small(question: str) -> Project:
    """Create a project of nine classes, all of them on the form, with a labeled first item."""
    project = make_project(f"small-{question}", question=question, classes=[f"class {n}" for n in range(9)])
    from factories import make_member, make_open_batch

    from tests.exports.labeled import answer

    batch = make_open_batch(project, make_items(project, 2, proposed=2 if question == "verify" else None))
    answer(batch, make_member(project, "annie"), [{"single": 3, "multi": [1, 3], "verify": False}[question]])
    return project


NOT_SAVED = {
    "single": [
        ({}, "Choose what it is."),
        ({"value": "class 99"}, "no class"),
        ({"value": "a\x00b"}, "Null characters"),
        ({"value": "class 1", "note": "x" * 301}, "at most 300 characters"),
    ],
    "multi": [({"value": ["class 99"]}, "no class"), ({"value": ["class 1"], "also": "kayak"}, "no class")],
    "verify": [({"value": "perhaps"}, "not one of the available choices"), ({}, "Choose what it is.")],
}


@pytest.mark.parametrize("question", NOT_SAVED)
def test_what_cannot_be_saved_is_said_beside_its_field(question: str) -> None:
    project = mixture(question, slug=question)
    before = item_of(project, 0).label
    for sent, said in NOT_SAVED[question]:
        response = manager(project).post(address(project, 0, "correct/"), sent)
        assert response.status_code == 400
        assert said in error_of(response)
        assert item_of(project, 0).label == before


def test_next_goes_on_within_the_filter_though_the_item_has_left_it(project: Project) -> None:
    client = manager(project)
    query = "?state=labeled&corrected=false&sort=imported"
    path, seen = address(project, 0), []
    for _ in range(4):
        response = client.post(f"{path}correct/{query}", {"value": "class 8", "next": "1"})
        seen.append(path)
        path = response["Location"].partition("?")[0]
    assert seen == [address(project, number) for number in (0, 1, 3, 4)]
    assert response["Location"] == "/p/digits/items/?state=labeled&corrected=false&sort=imported"
    assert "That was the last item here." in text_of(client.get(response["Location"]))
    assert project.items.filter(label=8).count() == 4


def test_the_last_that_matches_leads_back_and_nobody_is_told_that_a_model_learns_a_control_item(
    project: Project,
) -> None:
    client = manager(project)
    page = client.get(f"{address(project, 4)}?state=labeled&corrected=false&sort=imported").content.decode()
    assert 'id="later"' not in page
    assert 'name="next" value="1"' in page
    assert "The next training uses it." in text_of(client.get(address(project, 0)))
    project.items.filter(pk=item_of(project, 0).pk).update(reserved=True)
    assert "Models do not train on it, because this is a control item." in text_of(client.get(address(project, 0)))


def test_walking_the_newest_labels_does_not_start_over_at_each_correction(project: Project) -> None:
    client = manager(project)
    order = [5, 4, 3, 1, 0]
    path, seen = address(project, 5), []
    for _ in order:
        seen.append(path)
        path = client.post(f"{path}correct/", {"value": "class 8", "next": "1"})["Location"]
    assert seen == [address(project, number) for number in order]
    # Saved without going on, the item keeps its place among its neighbours.
    response = client.post(f"{address(project, 4)}correct/", {"value": "class 9"}, follow=True)
    assert "at=0~" in response.request["QUERY_STRING"].replace("%7E", "~")
    later = re.search(r'id="later" rel="next" href="(.*?)"', response.content.decode())
    before = re.search(r'id="earlier" rel="prev" href="(.*?)"', response.content.decode())
    assert later
    assert before
    assert later[1] == address(project, 5)
    assert before[1] == address(project, 3)


def test_a_correction_is_withdrawn(project: Project) -> None:
    client = manager(project)
    client.post(address(project, 1, "correct/"), {"value": "class 8"})
    response = client.post(address(project, 1, "withdraw/"), follow=True)
    assert "the annotators’ answers count again" in text_of(response)
    assert item_of(project, 1).label is None, "they were a tie"
    response = client.post(address(project, 1, "withdraw/"), follow=True)
    assert "no correction to withdraw" in text_of(response)


def test_what_cannot_be_corrected_has_no_form_and_says_why_and_engineers_do_not_correct(project: Project) -> None:
    client = manager(project)
    for number, said in (
        (6, "People are still answering this item"),
        (9, "This item has not been in a batch yet"),
    ):
        page = client.get(address(project, number))
        assert said in text_of(page)
        assert b'id="correct"' not in page.content
        response = client.post(address(project, number, "correct/"), {"value": "class 1"}, follow=True)
        assert said in text_of(response)
        assert item_of(project, number).label is None
    client = member(project, Role.ENGINEER)
    assert b'id="correct"' not in client.get(address(project, 0)).content
    assert client.post(address(project, 0, "correct/"), {"value": "class 1"}).status_code == 403
    assert client.post(address(project, 5, "withdraw/")).status_code == 403
    assert item_of(project, 0).label == 3


def test_another_projects_item_is_not_there(project: Project) -> None:
    (other,) = make_items(make_project("other"), 1)
    client = manager(project)
    for pk in (other.pk, 0, 10**9, "9" * 30):
        assert client.get(f"/p/digits/items/{pk}/").status_code == 404
        assert client.post(f"/p/digits/items/{pk}/correct/", {"value": "class 1"}).status_code == 404
        assert client.post(f"/p/digits/items/{pk}/withdraw/").status_code == 404


def test_an_address_that_makes_no_sense_still_shows_the_item(project: Project) -> None:
    for query in ("label=nothing&batch=99", "at=nowhere", "sort=margin&at=0~x~1", "flagged=maybe"):
        assert manager(project).get(f"{address(project, 0)}?{query}").status_code == 200
        response = manager(project).post(f"{address(project, 0)}correct/?{query}", {"value": "class 1", "next": "1"})
        assert response.status_code == 302
        assert item_of(project, 0).label == 1


def test_texts_are_shown_as_texts(project: Project) -> None:
    Item.objects.filter(pk=item_of(project, 0).pk).update(data={"text": "<script>alert(1)</script>", "by": "<b>"})
    page = manager(project).get(address(project, 0)).content
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert(1)" in page
    assert Client().get(address(project, 0)).status_code == 302


def test_files_are_called_by_their_names_and_not_by_drawn_ids(project: Project) -> None:
    item, other = item_of(project, 0), item_of(project, 1)
    drawn, source = "50f2a90bf038f6ae8355", "fotos/Quadrat/IMG_0080.jpg"
    Item.objects.filter(pk=item.pk).update(external_id=drawn, source=source)
    Item.objects.filter(pk=other.pk).update(external_id="my-own-id", source="fotos/Kreis/IMG_0081.jpg")
    for role in (Role.REVIEWER, Role.ENGINEER, Role.MANAGER):
        client = member(project, role)
        page = client.get(address(project, 0))
        assert "<title>IMG_0080.jpg" in page.content.decode()
        assert f"Source {source}, id {drawn}" in text_of(page)
        assert "<title>my-own-id" in client.get(address(project, 1)).content.decode()
        items = client.get(f"/p/{project.slug}/items/")
        assert f'title="{source}">IMG_0080.jpg<' in items.content.decode()
        assert "my-own-id" in text_of(items)
        assert drawn not in text_of(items)
    picked = manager(project).get(f"/p/{project.slug}/batches/{item.task.batch.number}/")
    assert "IMG_0080.jpg" in text_of(picked)
    assert drawn not in text_of(picked)


def test_annotators_never_see_the_name_of_a_file(project: Project) -> None:
    Item.objects.update(source="fotos/Quadrat/IMG_0080.jpg")
    annotator = member(project, Role.ANNOTATOR)
    assert annotator.get(address(project, 0)).status_code == 403
    assert annotator.get(f"/p/{project.slug}/items/").status_code == 403
    for page in ("label/comments/", "label/", ""):
        assert "IMG_0080" not in annotator.get(f"/p/{project.slug}/{page}").content.decode()
