"""Test the review queue: its items and reasons, its decisions, and that two reviewers never get the same item."""

import json
from typing import Any

import pytest
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from mixture import mixture, numbers
from pages import manager, member, text_of

from labeling.insight.review import Reason, queue_of, reasons_of, waiting
from labeling.labels import comments
from labeling.labels.items.records import ItemRecord
from labeling.models import Annotation, Comment, Copy, CopyAnswer, Correction, Item, Project, ReviewPlace, Role, User
from labeling.queue import reviewing
from labeling.web.items import item_view
from tests.exports.labeled import answer
from tests.extent import some

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """Create a project with item 1 tied, 2 skipped by all, 3 doubted, 4 flagged, and 0 sampled."""
    project = mixture()
    items = list(project.items.order_by("pk"))
    Item.objects.filter(pk=items[3].pk).update(label_quality=0.1, likely_label=4)
    Annotation.objects.filter(task__item=items[0], user__username="bert").update(sampled=True)
    return project


def reviewer(project: Project, name: str = "rita") -> tuple[Client, User]:
    return member(project, Role.REVIEWER, name), make_member(project, name, Role.REVIEWER)


def item_of(project: Project, number: int) -> Item:
    return project.items.order_by("pk")[number]


def decide(client: Client, item: Item, query: str = "", **body: Any) -> Any:
    body = {"seen": json.dumps(item.label), **body}  # without `next`: on to the first in the queue
    return client.post(f"/p/{item.project.slug}/review/{item.pk}/{query}", body, follow=True)


def shown(response: Any) -> Item | None:
    return response.context.get("item")


@pytest.mark.long
def test_each_reason_has_its_items_and_the_order_is_that_of_the_reasons(project: Project) -> None:
    client, rita = reviewer(project)
    queue = queue_of(project, rita)
    assert numbers(project, queue.ids) == [1, 4, 3, 2, 0]
    assert list(queue.counts.values()) == [1, 1, 1, 0, 1, 1]
    others = [reason for reason in Reason if reason != Reason.COPY]
    for reason, number in zip(others, (1, 4, 3, 2, 0), strict=True):
        assert numbers(project, queue_of(project, rita, reason).ids) == [number]
    page = client.get(f"/p/{project.slug}/review/?reason=error")
    words = text_of(page)
    assert shown(page) == item_of(project, 3)
    assert "Models trained without this label predict class 4, and give the label only 10 % probability." in words
    assert "annie skipped: Cannot be made out" in words
    assert "bert class 5" in words


@pytest.mark.long
def test_the_reasons_of_one_item_are_those_whose_queues_hold_it(project: Project) -> None:
    items = list(project.items.values_list("pk", flat=True))
    queues = {reason: set(waiting(project, reason)) for reason in Reason}
    for item in items:
        assert reasons_of(project, item) == [reason for reason in Reason if item in queues[reason]]
    for reason, waits in queues.items():
        assert set(waiting(project, reason, items[::2])) == waits & set(items[::2])


@pytest.mark.parametrize(
    ("question", "label", "likely", "sentence"),
    [
        ("multi", [1, 2], 2, "give only 10 % probability that it should have 3."),
        ("multi", [1], 2, "give only 10 % probability that it should lack 3."),
        ("score", 0, 2, "predict 3, and give 10 % probability that the label is at most one point off."),
        ("verify", True, 0, "predict no, and give the label only 10 % probability."),
    ],
)
def test_a_doubt_is_said_in_words(question: str, label: object, likely: int, sentence: str) -> None:
    project = make_project(question=question, classes=["1", "2", "3", "4"])
    [item] = make_items(project, 1, label=label, label_quality=0.1, likely_label=likely)
    record = ItemRecord(item, None, None, [], [], [], [], {})
    [said] = item_view.model_says(record)
    assert said.replace("\xa0", " ") == f"Models trained without this label {sentence}"


@pytest.mark.long
def test_a_check_that_differs_from_its_source_brings_both_until_they_are_settled() -> None:
    project = make_project(near_copies=2)
    batch = make_open_batch(project, make_items(project, 4))
    ann = make_member(project, "ann")
    answer(batch, ann, [1, 1, 2, 1])
    source, alike, unlike, _ = project.items.order_by("pk")
    for item in (alike, unlike):
        copy = Copy.objects.create(of=source, item=item, batch=batch, height=0.1, is_check=True)
        CopyAnswer.objects.create(copy=copy, annotation=Annotation.objects.get(task__item=source), same=True)
    client, rita = reviewer(project)
    assert queue_of(project, rita, Reason.COPY).ids == [source.pk, unlike.pk]
    assert [reasons_of(project, each.pk) for each in (source, alike, unlike)] == [[Reason.COPY], [], [Reason.COPY]]
    assert "Label differs from a near-copy" in text_of(client.get(f"/p/{project.slug}/review/?reason=copy"))
    page = text_of(client.get(f"/p/{project.slug}/review/?reason=copy"))
    assert f"Its near-copy {unlike.external_id} is labeled 2 ." in page
    decide(client, source, decision="accept")
    assert queue_of(project, rita, Reason.COPY).ids == [unlike.pk]
    decide(client, Item.objects.get(pk=unlike.pk), value="1")
    assert not queue_of(project, rita, Reason.COPY).ids
    assert {copy.item.label for copy in Copy.objects.checked().select_related("item")} == {1}


def test_accepting_choosing_and_putting_off_lead_from_item_to_item(project: Project) -> None:
    client, rita = reviewer(project)
    _, tie, skipped, doubted, flagged = [item_of(project, number) for number in range(5)]
    assert shown(client.get(f"/p/{project.slug}/review/")) == tie
    page = decide(client, tie, value="class 5", note="It has a hook.")
    assert shown(page) == flagged
    page = decide(client, flagged, decision="accept")
    standing = Correction.objects.standing().filter(user=rita)
    assert {(each.item_id, each.value, each.note) for each in standing} == {
        (tie.pk, 5, "It has a hook."),
        (flagged.pk, 5, ""),
    }
    assert shown(page) == doubted
    page = decide(client, doubted, decision="later")
    assert numbers(project, queue_of(project, rita).ids) == [2, 0, 3]
    page = decide(client, skipped, decision="accept")
    assert page.status_code == 400, "it has no label that could be accepted"
    page = decide(client, skipped, value="no such class")
    assert "This project has no class" in page.content.decode()
    for number, body in ((2, {"value": "class 1"}), (0, {"decision": "accept"}), (3, {"decision": "accept"})):
        page = decide(client, item_of(project, number), **body)
    assert "Nothing waits for a review" in text_of(page)


def test_an_item_that_is_sent_back_comes_again_only_for_what_is_said_of_it_then(project: Project) -> None:
    client, rita = reviewer(project)
    item = item_of(project, 4)
    decide(client, item, decision="back", note="Which one is it?")
    item.refresh_from_db()
    assert (item.label, item.sent_back, Comment.objects.get().text) == (None, True, "Which one is it?")
    assert 4 not in numbers(project, queue_of(project, rita).ids)
    # The batch that asks again has everybody's answers, and nobody flagged it any more.
    batch = make_open_batch(project, [], number=9)
    task = batch.tasks.create(repeats=item, rank=0, free=0, outstanding=0)
    Annotation.objects.create(task=task, user=make_member(project, "annie"), value=5)
    Item.objects.filter(pk=item.pk).update(label=5, agreement=1, again_at=None, sent_back=False)
    assert 4 not in numbers(project, queue_of(project, rita).ids)
    Annotation.objects.filter(task=task).update(flagged=True)
    assert numbers(project, queue_of(project, rita, Reason.FLAG).ids) == [4]


def test_a_note_may_go_to_those_whose_answers_are_sent_back_and_to_nobody_else(project: Project) -> None:
    client, _ = reviewer(project)
    tie = item_of(project, 1)
    answered = set(Annotation.objects.filter(task__item=tie).values_list("user__username", flat=True))
    assert len(answered) == 2
    page = decide(client, tie, decision="back", note="Look at the hook.", tell="on")
    assert "item-0001 is sent back and will be asked again. Those who answered can read your note." in text_of(page)
    assert "Annotators do not, because" in text_of(page), "it stands beside the field"
    assert set(Comment.objects.values_list("to__username", flat=True)) == answered
    annie, carol = User.objects.get(username="annie"), make_member(project, "carol")
    [thread] = comments.threads_of(project, annie)
    assert [each.to for each in thread.comments] == [annie], "not who else got it"
    assert comments.threads_of(project, carol) == [], "whoever is asked next"


def test_no_two_people_are_on_one_item_and_the_second_is_told_that_it_was_settled(project: Project) -> None:
    client, _ = reviewer(project)
    other, rolf = reviewer(project, "rolf")
    tie = item_of(project, 1)
    assert shown(client.get(f"/p/{project.slug}/review/")) == tie
    assert shown(other.get(f"/p/{project.slug}/review/")) == item_of(project, 4)
    page = other.get(f"/p/{project.slug}/review/?item={tie.pk}", follow=True)
    assert shown(page) == item_of(project, 4)
    assert "Another person is reviewing item-0001" in text_of(page)
    page = decide(other, tie, decision="accept")
    assert "rita is reviewing item-0001 right now. Nothing was changed." in text_of(page)
    # The first one went away: the item is free, and the second settles it.
    ReviewPlace.objects.update(held_until="2020-01-01T00:00Z")
    decide(other, tie, decision="accept")
    page = decide(client, tie, value="class 7")
    assert "rolf settled item-0001 meanwhile. Nothing was changed." in text_of(page)
    assert Correction.objects.standing().get(item=tie).user == rolf
    page = client.get(f"/p/{project.slug}/review/?item={tie.pk}", follow=True)
    assert "item-0001 no longer waits for a review." in text_of(page)


def test_a_label_that_changed_on_the_way_is_not_accepted_unseen(project: Project) -> None:
    client, rita = reviewer(project)
    item = item_of(project, 4)
    Item.objects.filter(pk=item.pk).update(label=6)
    for seen in (json.dumps(5), "no json"):
        page = decide(client, item, decision="accept", seen=seen)
        assert "The label of item-0004 changed while you looked at it." in text_of(page)
    with pytest.raises(reviewing.ReviewError):
        reviewing.settle(item=item_of(project, 6), user=rita, value=1, seen=None)  # still answered


def test_the_sample_is_a_share_of_each_persons_answers_and_drawn_by_the_secret() -> None:
    project = make_project(batch_size=400, review_share=0.25)
    batch = make_open_batch(project, make_items(project, 400), overlap=1)
    answer(batch, make_member(project, "annie"), [1] * 380 + ["skip"] * 20)
    keyed = project.keyed_by("review")
    of_the_secret = {each.pk for each in Annotation.objects.exclude(value=None) if keyed(each.pk)[0] < 64}
    assert set(Annotation.objects.filter(sampled=True).values_list("pk", flat=True)) == of_the_secret
    assert 45 <= len(of_the_secret) <= 145  # of 380: beyond six standard deviations
    Project.objects.update(review_share=0)


def test_of_many_items_the_page_says_that_there_are_more(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    client, rita = reviewer(project)
    flag = Annotation.objects.filter(task__batch__project=project, value__isnull=False)
    flag.update(flagged=True)
    assert len(waiting(project, Reason.FLAG)) > 2
    monkeypatch.setattr("labeling.insight.review.COUNTED", 2)
    monkeypatch.setattr("labeling.web.review.views.COUNTED", 2)
    assert queue_of(project, rita).counts[Reason.FLAG] == 3
    assert "Flagged 2+" in text_of(client.get(f"/p/{project.slug}/review/"))


def test_queries_do_not_grow_with_the_queue(project: Project, django_assert_num_queries: Any) -> None:
    client, _ = reviewer(project)
    for agreement in (1, 0.5):
        Item.objects.filter(task__batch__number=1, label__isnull=False).update(agreement=agreement)
        client.get(f"/p/{project.slug}/review/")
        with django_assert_num_queries(28):
            assert client.get(f"/p/{project.slug}/review/").status_code == 200


@pytest.mark.parametrize("question", some(["multi", "verify"]))
def test_other_questions_are_answered_in_their_own_way(question: str) -> None:
    project = mixture(question)
    client = manager(project)
    item = item_of(project, 1)
    body = {"value": ["class 3", "class 5"], "decision": "correct"} if question == "multi" else {"value": "false"}
    client.get(f"/p/{project.slug}/review/")
    page = decide(client, item, **body)
    item.refresh_from_db()
    assert (page.status_code, item.label) == (200, [3, 5] if question == "multi" else False)
