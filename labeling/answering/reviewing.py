"""A reviewer's work on one item at a time: hold it, settle it, send it back, put it off.

No two reviewers settle the same item: its place is theirs by a conditional update, and whether it still waits is looked
at behind the lock of its tasks.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from labeling.answering import asking_again, comments, corrections
from labeling.models import Comment, Correction, Item, Project, ReviewPlace, Task, User
from labeling.questions import Stored

HELD = datetime.timedelta(minutes=2)
"""An item that a reviewer has on the screen is kept from others for so long."""


class ReviewError(Exception):
    """The item cannot be reviewed now: somebody else settled it, or is at it. The message says who."""


def hold(*, item: Item, user: User) -> bool:
    """Keep the item from other reviewers for a while. False if one of them is at it."""
    now = timezone.now()
    until = now + HELD
    places = ReviewPlace.objects.filter(item=item)
    if places.filter(Q(user=user) | Q(held_until__lte=now)).update(user=user, held_until=until):
        return True
    try:
        with transaction.atomic():
            ReviewPlace.objects.create(item=item, user=user, held_until=until)
    except IntegrityError:
        return False
    return True


@transaction.atomic
def settle(*, item: Item, user: User, value: Stored, note: str = "", seen: Any = None) -> Correction:
    """Make `value` the item's label, or confirm it. `seen`: the label that the reviewer had on the screen.

    Raises `ReviewError` if the label is another one by now, or the item does not wait any more.
    """
    current = _lock(item, user)
    if current.label != seen:
        raise ReviewError(f"The label of {item.external_id} changed while you looked at it. Look at it again.")
    ReviewPlace.objects.filter(item=item).delete()
    try:
        return corrections.correct(item=current, user=user, value=value, note=note)
    except corrections.CorrectionError as error:
        raise ReviewError(error.detail) from None


@transaction.atomic
def send_back(*, project: Project, item: Item, user: User, note: str = "", tell: bool = False) -> None:
    """Take the label off and have people asked again. The note stays with the item, for reviewers and managers; with
    `tell` it is also written to everybody who has answered so far, each alone. Who is asked next never sees it.

    Raises `ReviewError` if the item does not wait any more.
    """
    _lock(item, user)
    ReviewPlace.objects.filter(item=item).delete()
    asking_again.ask_again(project=project, ids=[item.pk])
    if note:
        readers: list[User | None] = [*comments.annotators_of(item).values()] if tell else []
        Comment.objects.bulk_create(Comment(item=item, user=user, text=note, to=each) for each in readers or [None])


@transaction.atomic
def put_off(*, item: Item, user: User) -> None:
    """Let the item come again when all others are done. Raises `ReviewError` if it does not wait any more."""
    _lock(item, user)
    now = timezone.now()
    ReviewPlace.objects.filter(item=item).update(put_off_at=now, held_until=now)


def _lock(item: Item, user: User) -> Item:
    """The item as it is now, held by the user, and still waiting until the transaction ends."""
    if not hold(item=item, user=user):
        who = ReviewPlace.objects.select_related("user").get(item=item).user.username
        raise ReviewError(f"{who} is reviewing {item.external_id} right now. Nothing was changed.")
    # As whoever answers or corrects locks them.
    list(
        Task.objects.of_items([item.pk])
        .select_for_update(no_key=True, of=("self",))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    current = asking_again.repeatable(Item.objects.filter(pk=item.pk)).select_related("project").first()
    if current is None:
        raise ReviewError(_settled(item))
    return current


def _settled(item: Item) -> str:
    """Who was quicker."""
    standing = Correction.objects.standing().filter(item=item).select_related("user").first()
    if standing is not None:
        return f"{standing.user.username} settled {item.external_id} meanwhile. Nothing was changed."
    return f"{item.external_id} was sent back, or changed, meanwhile. It does not wait any more."
