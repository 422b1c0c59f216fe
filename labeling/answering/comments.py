"""What people write about items: annotators with a flag or a skip, reviewers in answer.

An annotator sees what they wrote and what was answered to them, never what others wrote, nor anything else of the item.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from labeling.models import Annotation, Comment, Item, Project, Task, User
from labeling.models.reviews import MAX_COMMENT
from labeling.statements import insert

THREADS = 100
"""An annotator is shown so many of the items that they wrote about, those with the newest answers first."""


class CommentError(ValueError):
    """It cannot be written; the message says why."""


@dataclass(frozen=True, slots=True)
class Thread:
    """What one annotator and the reviewers wrote to each other about an item, in order."""

    item: Item
    comments: list[Comment]

    @property
    def unread(self) -> bool:
        return any(each.to_id is not None and each.read_at is None for each in self.comments)


def write_all(user: User, comments: Iterable[tuple[int, object, str]]) -> None:
    """Store what came with answers and skips: (item, annotation, text) of each."""
    now = timezone.now()
    rows = [(item, annotation, user.pk, text, now) for item, annotation, text in comments]
    if rows:
        insert(Comment, ("item", "annotation", "user", "text", "created_at"), rows)


def write(*, item: Item, user: User, text: str, to: str = "") -> Comment:
    """A reviewer's comment: for the annotator of that name, or for reviewers and managers alone.

    Raises `CommentError` where it is empty or too long, or the annotator has not answered the item.
    """
    text = text.strip()
    if not text:
        raise CommentError("Write something.")
    if len(text) > MAX_COMMENT or "\x00" in text:
        raise CommentError(f"Write at most {MAX_COMMENT:,} characters, and no NUL among them.")
    person = annotators_of(item).get(to) if to else None
    if to and person is None:
        raise CommentError(f"“{to[:60]}” has not answered this item: only who has can be answered.")
    return Comment.objects.create(item=item, user=user, to=person, text=text)


def annotators_of(item: Item) -> dict[str, User]:
    """Those who answered or skipped the item, by name; whoever wrote about it last comes first. One query."""
    tasks = Task.objects.filter(Q(item=item) | Q(repeats=item))
    people = User.objects.filter(pk__in=Annotation.objects.standing().filter(task__in=tasks).values("user"))
    last = dict(item.comments.filter(annotation__isnull=False).order_by("pk").values_list("user", "pk"))
    return {each.username: each for each in sorted(people, key=lambda each: (-last.get(each.pk, 0), each.username))}


def threads_of(project: Project, user: User) -> list[Thread]:
    """The user's own threads in the project, those with the newest comments first. Two queries."""
    own = Comment.objects.filter(item__project=project).filter(Q(user=user, annotation__isnull=False) | Q(to=user))
    by_item: dict[int, list[Comment]] = {}
    for each in own.select_related("user", "to", "item", "annotation").order_by("-pk")[: 10 * THREADS]:
        by_item.setdefault(each.item_id, []).append(each)
    return [Thread(some[0].item, some[::-1]) for some in by_item.values()][:THREADS]


def unread(project: Project, user: User) -> int:
    """How many answers the user has not seen yet."""
    return Comment.objects.to(user).unread().filter(item__project=project).count()


def mark_read(project: Project, user: User) -> int:
    """The user has seen all answers there are. Returns how many of them were new."""
    return Comment.objects.to(user).unread().filter(item__project=project).update(read_at=timezone.now())
