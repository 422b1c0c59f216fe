"""A project in which every filter finds some items but not all."""

import uuid
from typing import Any

from django.db.models import F
from django.utils import timezone
from factories import make_answerable, make_items, make_member, make_open_batch, make_project

from labeling.labels.corrections import correct
from labeling.models import Annotation, Batch, Item, Project, Role, User
from labeling.queue import submitting
from labeling.queue.answer import Answer

ANSWERS: dict[str, list[list[Any]]] = {
    "single": [[3, 3], [3, 5], ["skip", "skip"], ["skip", 5], [5, 5], [7, 7]],
    "multi": [[[1, 3], [1, 3]], [[3], [5]], ["skip", "skip"], ["skip", [5]], [[5, 13], [5, 13]], [[], []]],
    "verify": [[True, True], [True, False], ["skip", "skip"], ["skip", False], [False, False], [True, True]],
}


def mixture(question: str = "single", kind: str = "text", **settings: Any) -> Project:
    """Create twelve items: six done in batch 1 by annie and bert, three in open batch 2 (one answered), two unlabeled,
    and an unreadable one.

    Item 4 is flagged, item 5 was corrected by mona to its label, item 1 is a control item.
    """
    classes = [f"class {number}" for number in range(20)]
    project = make_project(question=question, kind=kind, classes=classes, overlap=2, **settings)
    annie, bert = make_member(project, "annie"), make_member(project, "bert")
    items = make_items(project, 11, proposed=2 if question == "verify" else None)
    make_items(project, 1, first=11, row=None, encode_error="Broken.", proposed=2 if question == "verify" else None)
    first = make_open_batch(project, items[:6], overlap=2)
    for rank, said in enumerate(ANSWERS[question]):
        for user, value in zip((annie, bert), said, strict=True):
            _answer(first, rank, user, value)
        if rank == 1:  # a tie has no label: a later step may know who is right
            Item.objects.filter(pk=items[1].pk).update(
                label=[] if question == "multi" else said[0], labeled_at=timezone.now()
            )
            Batch.objects.filter(pk=first.pk).update(labeled=F("labeled") + 1)
    Annotation.objects.filter(task__item=items[4], user=bert).update(flagged=True)
    Batch.objects.filter(pk=first.pk).update(state=Batch.State.DONE)
    second = make_open_batch(project, items[6:9], number=2, overlap=2)
    second.tasks.update(margin=0.5)
    second.tasks.filter(item=items[7]).update(margin=0.25)
    _answer(second, 0, annie, ANSWERS[question][0][0])
    Item.objects.filter(pk=items[1].pk).update(reserved=True)
    mona = make_member(project, "mona", Role.MANAGER)
    corrected = Item.objects.get(pk=items[5].pk)
    correct(item=corrected, user=mona, value=corrected.label, note="Yes.")
    return project


def _answer(batch: Batch, rank: int, user: User, value: Any) -> None:
    said = {"skip_reason": "Cannot be made out"} if value == "skip" else {"value": value}
    task = batch.tasks.get(rank=rank)
    make_answerable([task], user)
    given = Answer(uuid.uuid4(), task.pk, seconds=1.5, **said)
    assert not submitting.submit(project=batch.project, user=user, answers=[given]).rejected


def numbers(project: Project, ids: Any) -> list[int]:
    """Return the places of these items in the import."""
    places = {pk: place for place, pk in enumerate(project.items.order_by("pk").values_list("pk", flat=True))}
    return [places[pk] for pk in ids]
