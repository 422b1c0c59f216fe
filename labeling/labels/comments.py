"""Comments on items: annotators write them with a flag or a skip, reviewers reply.

An annotator sees the annotator's own comments and the replies to them, but no comment of another annotator and no other
fact about the item.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling.models import Annotation, Comment, Item, LogKind, Notice, NoticeKind, Project, Task, User
from labeling.models.annotations import MAX_COMMENT
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.storage.db.statements import insert

THREADS = 100
"""The most threads that an annotator sees, the threads with the newest comments first."""


class CommentError(StateConflict):
    """The comment cannot be stored; the message says why."""


@dataclass(frozen=True, slots=True)
class Thread:
    """The comments that one annotator and the reviewers wrote to each other about an item, oldest first."""

    item: Item
    comments: list[Comment]

    @property
    def unread(self) -> bool:
        return any(each.to_id is not None and each.read_at is None for each in self.comments)


def write_annotators_comments(user: User, comments: Iterable[tuple[int, object, str]]) -> None:
    """Store the user's comments with answers and skips, each as (item id, annotation id, text)."""
    now = timezone.now()
    rows = [(item, annotation, user.pk, text, now) for item, annotation, text in comments]
    if rows:
        insert(Comment, ("item", "annotation", "user", "text", "created_at"), rows)


@transaction.atomic
def write_reviewers_comment(*, item: Item, user: User, text: str, to: str = "") -> Comment:
    """Store a reviewer's comment. `to`: the name of the annotator it is for; empty for reviewers and managers alone.

    Raises `CommentError` if the text is empty, too long or contains NUL, or the annotator has not answered the item.
    """
    text = text.strip()
    if not text:
        raise CommentError(gettext("Enter a comment."))
    if len(text) > MAX_COMMENT or "\x00" in text:
        raise CommentError(
            gettext("Enter at most %(most)s characters, without NUL.")
            % {"most": number_format(MAX_COMMENT, force_grouping=True)}
        )
    person = annotators_of(item).get(to) if to else None
    if to and person is None:
        raise CommentError(
            gettext("“%(to)s” has not answered this item. Only annotators who answered it can get a reply.")
            % {"to": to[:60]}
        )
    comment = Comment.objects.create(item=item, user=user, to=person, text=text)
    if person is not None and person != user:
        Notice.objects.tell_person(NoticeKind.COMMENT_ANSWERED, item.project, person, about=str(comment.pk))
    auditlog.record(LogKind.COMMENTED, project=item.project, whom=person, subject=f"item {item.pk}")
    return comment


def annotators_of(item: Item) -> dict[str, User]:
    """Return the users who answered or skipped the item, by name; the author of the newest comment is first. Takes two
    queries.
    """
    tasks = Task.objects.filter(Q(item=item) | Q(repeats=item))
    people = User.objects.filter(pk__in=Annotation.objects.standing().filter(task__in=tasks).values("user"))
    last = dict(item.comments.filter(annotation__isnull=False).order_by("pk").values_list("user", "pk"))
    return {each.username: each for each in sorted(people, key=lambda each: (-last.get(each.pk, 0), each.username))}


def threads_of(project: Project, user: User) -> list[Thread]:
    """Return the user's own threads in the project, those with the newest comments first. Takes two queries."""
    own = Comment.objects.filter(item__project=project).filter(Q(user=user, annotation__isnull=False) | Q(to=user))
    by_item: dict[int, list[Comment]] = {}
    for each in own.select_related("user", "to", "item", "annotation").order_by("-pk")[: 10 * THREADS]:
        by_item.setdefault(each.item_id, []).append(each)
    return [Thread(some[0].item, some[::-1]) for some in by_item.values()][:THREADS]


def unread(project: Project, user: User) -> int:
    """Return the number of reviewers' comments that the user has not read."""
    return Comment.objects.to(user).unread().filter(item__project=project).count()


def mark_read(project: Project, user: User) -> int:
    """Mark all comments to the user as read. Return the number of comments that were unread."""
    return Comment.objects.to(user).unread().filter(item__project=project).update(read_at=timezone.now())
