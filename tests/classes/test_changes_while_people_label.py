"""Test that classes are renamed, merged and split while sixteen people label.

Each answer counts for the class that its author saw under that name, and each label is the class that this class has
become.
"""

import itertools
import threading
import time
import uuid
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import signed_in
from test_changes import relabel

from labeling.labels import counting
from labeling.models import Annotation, Batch, Item, Project, Role
from labeling.queue import reading

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "fox", "hen", "owl", "pig"]
CAT, DOG, FOX, HEN, OWL, PIG = range(6)
PEOPLE, ITEMS = 16, 128
API, PAGE = "/api/v1/projects/pets/", "/p/pets/label/"


class Said(NamedTuple):
    """The class that a person chose, as the page showed it."""

    name: str
    revision: int


def work(client: Client, number: int, said: dict[str, Said], changed: threading.Event) -> None:
    """Label until no task is left, the second half after the first change. Every other person reloads the page when it
    reports changed classes.
    """
    page = client.get(f"{PAGE}classes/").json()
    turn = number
    for round_ in itertools.count():
        if round_ == ITEMS // PEOPLE // 4:
            assert changed.wait(60)
        claimed = client.post(f"{API}claim/", {"count": 2}, content_type="application/json").json()
        if not claimed["tasks"]:
            if claimed.get("reason") != "all_taken":
                return
            time.sleep(0.02)
            continue
        if number % 2 and claimed["class_revision"] != page["revision"]:
            page = client.get(f"{PAGE}classes/").json()
        answers = []
        for task in claimed["tasks"]:
            turn += 1
            name = page["classes"][turn % len(page["classes"])]
            answer = {"id": str(uuid.uuid4()), "task": task["id"], "value": name, "class_revision": page["revision"]}
            said[answer["id"]] = Said(name, page["revision"])
            answers.append(answer)
        reply = client.post(f"{API}annotations/", {"annotations": answers}, content_type="application/json").json()
        assert reply["rejected"] == []


def change(client: Client, method: str, path: str, body: dict[str, Any]) -> None:
    response = getattr(client, method)(f"{API}classes/{path}", body, content_type="application/json")
    assert response.status_code == 200, response.content


CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("patch", f"{CAT}/", {"name": "tom"}),
    ("patch", f"{DOG}/", {"name": "cat"}),  # what was another's name, on pages that are open
    ("post", f"{FOX}/merge/", {"into": HEN}),
    ("post", f"{OWL}/split/", {"into": ["barn owl", "tawny owl"]}),
    ("post", f"{HEN}/merge/", {"into": PIG}),
    ("patch", f"{CAT}/", {"name": "tomcat"}),
]


@pytest.mark.django_db(transaction=True)
def test_each_answer_counts_for_what_its_author_saw() -> None:
    project = make_project("pets", classes=CLASSES, lease_seconds=600)
    batch = make_open_batch(project, make_items(project, ITEMS))
    clients = [signed_in(make_member(project, f"p{number}")) for number in range(PEOPLE)]
    manager = signed_in(make_member(project, "mona", Role.MANAGER))
    said: dict[str, Said] = {}
    errors: list[BaseException] = []
    changed = threading.Event()

    def run(client: Client, number: int) -> None:
        try:
            work(client, number, said, changed)
        except BaseException as error:  # noqa: BLE001  handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in zip(clients, range(PEOPLE), strict=True)]
    for thread in threads:
        thread.start()
    before: dict[int, Any] = {}
    for n, each in enumerate(CHANGES, start=1):
        while Annotation.objects.count() < n * ITEMS // 8 and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        before |= dict(project.items.labeled().values_list("pk", "label"))
        change(manager, *each)
        changed.set()
    for thread in threads:
        thread.join()
    assert errors == []
    relabel()

    indices = dict(project.classes.values_list("name", "index"))
    answers = list(Annotation.objects.select_related("task__item"))
    assert len(answers) == len(said) == ITEMS
    become = {FOX: PIG, HEN: PIG, OWL: None}
    for each in answers:
        name, revision = said[str(each.pk)]
        then = {**indices, "tom": CAT, "dog": DOG, "cat": CAT if revision == 0 else DOG}
        assert each.value == then[name], (name, revision)
        item = each.task.item
        assert item is not None
        assert item.label == become.get(each.value, each.value)
    for pk, label in before.items():
        assert Item.objects.get(pk=pk).label == become.get(label, label)
    revisions = {each.revision for each in said.values()}
    assert 0 in revisions, "somebody's page was old to the end"
    assert len(revisions) > 1, "somebody's was not"
    assert {each.value for each in answers if said[str(each.pk)].revision == 0} >= {CAT, DOG, FOX, OWL}

    batch.refresh_from_db()
    assert batch.state == Batch.State.TRAINING
    assert counting.recount(batch) == []
    asked_again = set(project.items.to_be_asked_again().values_list("pk", flat=True))
    assert asked_again == {each.task.item_id for each in answers if each.value == OWL}
    assert batch.labeled == ITEMS - len(asked_again)


@pytest.fixture
def pets() -> Project:
    project = make_project("pets", classes=CLASSES)
    make_open_batch(project, make_items(project, 4))
    return project


def answered(project: Project, name: str, **more: Any) -> Any:
    """Return the stored value of an answer with this name; the error if it is refused."""
    client = signed_in(make_member(project, "ann"))
    task = client.post(f"{API}claim/", {"count": 1}, content_type="application/json").json()["tasks"][0]
    body = {"annotations": [{"id": str(uuid.uuid4()), "task": task["id"], "value": name, **more}]}
    reply = client.post(f"{API}annotations/", body, content_type="application/json").json()
    return reply["rejected"][0]["detail"] if reply["rejected"] else Annotation.objects.latest("created_at").value


def test_a_reply_tells_that_the_classes_have_changed_and_the_classes_with_their_earlier_names(pets: Project) -> None:
    client, manager = signed_in(make_member(pets, "ann")), signed_in(make_member(pets, "mona", Role.MANAGER))
    first, second = client.post(f"{API}claim/", {"count": 2}, content_type="application/json").json()["tasks"]
    change(manager, "patch", f"{DOG}/", {"name": "wolf"})
    change(manager, "post", f"{CAT}/merge/", {"into": DOG})
    change(manager, "patch", f"{PIG}/", {"name": "dog", "key": ""})
    answer = {"id": str(uuid.uuid4()), "task": first["id"], "value": "dog", "class_revision": 0}
    reply = client.post(f"{API}annotations/", {"annotations": [answer]}, content_type="application/json").json()
    assert (reply["rejected"], reply["class_revision"]) == ([], 3)
    assert Annotation.objects.get().value == DOG
    skipped = client.post(f"{API}skip/", {"task": second["id"], "reason": "Blurred"}, content_type="application/json")
    assert skipped.json()["class_revision"] == 3
    page = client.get(f"{PAGE}classes/", {"since": 0}).json()
    assert page["renamed"] == {"cat": "wolf", "dog": "wolf", "pig": "dog"}
    assert {name: each.get("key") for name, each in page["details"].items()} == {
        "wolf": "2",
        "fox": "3",
        "hen": "4",
        "owl": "5",
    }
    assert client.get(f"{PAGE}classes/", {"since": 3}).json()["renamed"] == {"cat": "wolf"}
    assert client.get(f"{PAGE}classes/").json()["renamed"] == {}


def test_a_program_that_tells_no_revision_may_still_use_an_earlier_name_that_no_class_has_now(pets: Project) -> None:
    manager = signed_in(make_member(pets, "mona", Role.MANAGER))
    change(manager, "patch", f"{CAT}/", {"name": "tom"})
    assert answered(pets, "cat") == CAT
    change(manager, "patch", f"{DOG}/", {"name": "cat"})
    assert answered(pets, "cat") == DOG
    assert answered(pets, "cat", class_revision=0) == CAT
    assert answered(pets, "cat", class_revision=2) == DOG


def test_a_class_that_is_renamed_while_the_request_is_read_keeps_its_answer(pets: Project) -> None:
    """Two classes change their names after the request has read the project and before it reads the names."""
    before = Project.objects.get(pk=pets.pk)
    manager = signed_in(make_member(pets, "mona", Role.MANAGER))
    change(manager, "patch", f"{CAT}/", {"name": "tom"})
    change(manager, "patch", f"{DOG}/", {"name": "cat"})
    assert before.as_called(reading.indices_of(before, ["cat", "dog"]), 0) == {"cat": CAT, "dog": DOG}


def test_a_revision_that_there_is_not_is_refused(pets: Project) -> None:
    for revision in (-1, 3, "1", True, 1.5):
        assert "class_revision must be one of this project's, 0 to 0." in answered(pets, "cat", class_revision=revision)


def test_a_name_that_was_taken_back_is_understood_too(pets: Project) -> None:
    manager = signed_in(make_member(pets, "mona", Role.MANAGER))
    change(manager, "patch", f"{CAT}/", {"name": "tom"})
    change(manager, "post", "undo/", {"revision": 1})
    assert answered(pets, "tom", class_revision=1) == CAT
    assert answered(pets, "tom") == CAT
    assert answered(pets, "cat", class_revision=0) == CAT
    assert answered(pets, "cat", class_revision=2) == CAT
