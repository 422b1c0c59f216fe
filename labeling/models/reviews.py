"""Reviewers' places on items, and comments on items."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.db import models

MAX_COMMENT = 1000


class ReviewPlaceQuerySet(models.QuerySet["ReviewPlace"]):
    def held(self, now: datetime.datetime) -> ReviewPlaceQuerySet:
        """Return places of items that a reviewer has on the screen."""
        return self.filter(held_until__gt=now)

    def put_off(self) -> ReviewPlaceQuerySet:
        """Return places of items that a reviewer put off, the earliest first."""
        return self.filter(put_off_at__isnull=False).order_by("put_off_at", "pk")


class ReviewPlace(models.Model):
    """The reviewer who holds an item, so that no other reviews it, and the time at which it was last put off."""

    item = models.OneToOneField("labeling.Item", on_delete=models.CASCADE, related_name="review_place")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    held_until = models.DateTimeField()
    put_off_at = models.DateTimeField(null=True)

    objects = ReviewPlaceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user} at {self.item}"


class CommentQuerySet(models.QuerySet["Comment"]):
    def to(self, user: models.Model) -> CommentQuerySet:
        """Return reviewers' comments to this user."""
        return self.filter(to=user)

    def unread(self) -> CommentQuerySet:
        return self.filter(to__isnull=False, read_at__isnull=True)


class Comment(models.Model):
    """A comment on an item. An annotator's comment belongs to an answer or skip. A reviewer's comment is for one
    annotator (`to`), or for reviewers and managers alone.
    """

    item = models.ForeignKey("labeling.Item", on_delete=models.CASCADE, related_name="comments")
    annotation = models.OneToOneField(
        "labeling.Annotation", null=True, on_delete=models.CASCADE, related_name="comment"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments")
    to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="comments_received"
    )
    text = models.CharField(max_length=MAX_COMMENT)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, help_text="When the person that it is written to had it on the screen.")

    objects = CommentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["to"], condition=models.Q(read_at__isnull=True, to__isnull=False), name="comment_unread"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} on {self.item}"
