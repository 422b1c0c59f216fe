"""A reviewer's actions on one item: hold it, settle it, send it back, put it off.

Two reviewers never settle the same item: a conditional update gives the item to one of them, and each action locks the
item's tasks and then checks that the item still waits for review.
"""

import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from labeling.labels import comments, corrections
from labeling.models import Comment, Correction, Item, Project, ReviewPlace, Task, User
from labeling.questions import Stored
from labeling.queue import changing

HELD = datetime.timedelta(minutes=2)
"""The time that an item on a reviewer's screen is kept from other reviewers."""


class ReviewError(Exception):
    """The item cannot be reviewed now: another user has settled it or is reviewing it. The message says who."""


def hold(*, item: Item, user: User) -> bool:
    """Keep the item from other reviewers for the time `HELD`. Return False if another reviewer holds it."""
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

    Raises `ReviewError` if the label has changed since, or the item no longer waits for review.
    """
    current = _lock_waiting_item(item, user)
    if current.label != seen:
        raise ReviewError(
            gettext("The label of %(external_id)s changed while you looked at it. Look at it again.")
            % {"external_id": item.external_id}
        )
    ReviewPlace.objects.filter(item=item).delete()
    try:
        return corrections.correct(item=current, user=user, value=value, note=note)
    except corrections.CorrectionError as error:
        raise ReviewError(error.detail) from None


@transaction.atomic
def send_back(*, project: Project, item: Item, user: User, note: str = "", tell: bool = False) -> None:
    """Remove the item's label and ask annotators again.

    Reviewers and managers can read the `note` on the item. With `tell`, each annotator who has answered the item also
    gets the note as a private comment. The next annotators never see the note. Raises `ReviewError` if the item no
    longer waits for review.
    """
    _lock_waiting_item(item, user)
    ReviewPlace.objects.filter(item=item).delete()
    changing.ask_again(project=project, ids=[item.pk])
    if note:
        readers: list[User | None] = [*comments.annotators_of(item).values()] if tell else []
        Comment.objects.bulk_create(Comment(item=item, user=user, text=note, to=each) for each in readers or [None])


@transaction.atomic
def put_off(*, item: Item, user: User) -> None:
    """Move the item behind all others that wait for review. Raises `ReviewError` if the item no longer waits for
    review.
    """
    _lock_waiting_item(item, user)
    now = timezone.now()
    ReviewPlace.objects.filter(item=item).update(put_off_at=now, held_until=now)


def _lock_waiting_item(item: Item, user: User) -> Item:
    """Hold the item for the user, lock its tasks, and return it as it is now.

    Raises `ReviewError` if another reviewer holds the item, or it no longer waits for review.
    """
    if not hold(item=item, user=user):
        who = ReviewPlace.objects.select_related("user").get(item=item).user.username
        raise ReviewError(
            gettext("%(who)s is reviewing %(external_id)s right now. Nothing was changed.")
            % {"who": who, "external_id": item.external_id}
        )
    # The same locks as those of an answer or a correction.
    Task.objects.of_items([item.pk]).lock()
    current = changing.repeatable(Item.objects.filter(pk=item.pk)).select_related("project").first()
    if current is None:
        raise ReviewError(_settled(item))
    return current


def _settled(item: Item) -> str:
    """Return the message for a reviewer whose item another user has settled or sent back."""
    standing = Correction.objects.standing().filter(item=item).select_related("user").first()
    if standing is not None:
        text = gettext("%(who)s settled %(external_id)s meanwhile. Nothing was changed.")
        return text % {"who": standing.user.username, "external_id": item.external_id}
    text = gettext("%(external_id)s was sent back, or changed, meanwhile. It no longer waits for a review.")
    return text % {"external_id": item.external_id}
