"""Test comments: an annotator writes with a flag or a skip, a reviewer replies, and only that annotator reads the
reply.
"""

import uuid
from typing import Any

import pytest
from factories import make_answerable, make_items, make_member, make_open_batch, make_project
from pages import member, signed_in, text_of

from labeling.insight.review import Reason, queue_of
from labeling.labels import comments
from labeling.models import Comment, Item, Project, Role, User

pytestmark = pytest.mark.django_db

JSON = "application/json"


@pytest.fixture
def project() -> Project:
    project = make_project(overlap=2)
    batch = make_open_batch(project, make_items(project, 3), overlap=2)
    for name in ("annie", "bert"):
        make_answerable(list(batch.tasks.all()), make_member(project, name))
    return project


def send(project: Project, user: User, number: int, **more: Any) -> Any:
    task = project.batches.get().tasks.get(rank=number)
    body = {"id": str(uuid.uuid4()), "task": task.pk, **more}
    skips = "reason" in more
    path = f"/api/v1/projects/{project.slug}/{'skip' if skips else 'annotations'}/"
    return signed_in(user).post(path, body if skips else {"annotations": [body]}, content_type=JSON).json()


def test_a_comment_comes_with_an_answer_or_a_skip_once_and_flags_the_item(project: Project) -> None:
    annie, bert = User.objects.get(username="annie"), User.objects.get(username="bert")
    key = str(uuid.uuid4())
    for _ in range(2):  # a retry
        assert send(project, annie, 0, id=key, value="3", comment=" 3 or 8? ")["accepted"] == [key]
    assert send(project, bert, 0, reason="Cannot be made out", comment="Cut off.")["accepted"]
    assert list(Comment.objects.order_by("pk").values_list("user__username", "text")) == [
        ("annie", "3 or 8?"),
        ("bert", "Cut off."),
    ]
    rita = make_member(project, "rita", Role.REVIEWER)
    assert queue_of(project, rita, Reason.FLAG).ids == [project.items.order_by("pk")[0].pk]
    for wrong in (7, "x" * 1001, "a\x00b"):
        assert send(project, annie, 1, value="3", comment=wrong)["rejected"][0]["code"] == "invalid"
    assert send(project, annie, 1, value="3", comment="")["accepted"]
    assert Comment.objects.count() == 2


def test_the_annotator_alone_reads_what_is_answered_to_them(project: Project) -> None:
    annie, bert = User.objects.get(username="annie"), User.objects.get(username="bert")
    send(project, annie, 0, value="3", comment="3 or 8?")
    send(project, bert, 0, value="8", comment="Is it upside down?")
    item = project.items.order_by("pk")[0]
    Item.objects.filter(pk=item.pk).update(gold=8)
    rita = member(project, Role.REVIEWER, "rita")
    page = rita.get(f"/p/{project.slug}/review/?item={item.pk}")
    assert "3 or 8?" in text_of(page)
    for to, text in (("annie", "Look at the gap."), ("", "Both are careless.")):
        rita.post(f"/p/{project.slug}/items/{item.pk}/comment/", {"to": to, "text": text, "back": "review"})
    assert "1 answer to your comments" in text_of(signed_in(annie).get(f"/p/{project.slug}/label/"))
    assert "to your comments" not in text_of(signed_in(bert).get(f"/p/{project.slug}/label/"))
    words = text_of(signed_in(annie).get(f"/p/{project.slug}/label/comments/"))
    assert "You 3 or 8? Answered: 3" in words
    assert "rita Look at the gap. new" in words
    assert not [told for told in ("upside", "careless", "bert", "gold", "control") if told in words]
    threads = signed_in(annie).get(f"/api/v1/projects/{project.slug}/comments/").json()
    assert [(each["user"], each["text"]) for each in threads[0]["comments"]] == [
        ("annie", "3 or 8?"),
        ("rita", "Look at the gap."),
    ]
    words = text_of(signed_in(bert).get(f"/p/{project.slug}/label/comments/"))
    assert "upside" in words
    assert "gap" not in words
    signed_in(annie).post(f"/p/{project.slug}/label/comments/")
    assert comments.unread(project, annie) == 0


def test_a_reviewer_writes_only_to_those_who_answered_the_item(project: Project) -> None:
    annie = User.objects.get(username="annie")
    send(project, annie, 0, value="3")
    item = project.items.order_by("pk")[0]
    rita = member(project, Role.REVIEWER, "rita")
    path = f"/api/v1/projects/{project.slug}/items/{item.pk}/comments/"
    assert rita.post(path, {"text": "A 3.", "to": "annie"}, content_type=JSON).status_code == 201
    refused = rita.post(path, {"text": "A 3.", "to": "bert"}, content_type=JSON)
    assert refused.status_code == 409
    assert (
        refused.json()["detail"]
        == "“bert” has not answered this item. Only annotators who answered it can get a reply."
    )
    assert [each["to"] for each in rita.get(path).json()] == ["annie"]
    # What was written to somebody who wrote nothing is read as well.
    assert len(comments.threads_of(project, annie)) == 1
