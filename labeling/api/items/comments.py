"""Endpoints for comments on items, one for reviewers and one for each annotator's own comments."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView
from labeling.labels import comments
from labeling.models import Ability
from labeling.models.reviews import MAX_COMMENT


class CommentRequest(fields.Shape):
    text = fields.Text(max_length=MAX_COMMENT)
    to = fields.Text(
        "The username of an annotator who has answered the item, and reads this. Empty: reviewers and "
        "managers alone read it.",
        max_length=150,
        default="",
        allow_blank=True,
    )


class CommentResponse(fields.Shape):
    user = fields.Text("Who wrote it.", source="user.username")
    to = fields.Text("The annotator who reads it, if one does.", source="to.username", allow_null=True)
    text = fields.Text()
    created_at = fields.Moment()
    read_at = fields.Moment("When the annotator had it on the screen.", allow_null=True)


class ThreadResponse(fields.Shape):
    item = fields.Text("The external id of the item.", source="item.external_id")
    unread = fields.Boolean("Whether an answer has come that was not marked as read.")
    comments = CommentResponse(many=True, help_text="One's own, and what was answered to them, in order.")


class ReadResponse(fields.Shape):
    read = fields.Integer("How many answers were new.")


class ItemComments(ProjectView):
    """The comments on an item."""

    subject = "Items"
    reading = Ability.ITEMS_READ
    changing = Ability.REVIEW_DO

    @extend_schema(responses=CommentResponse(many=True))
    def get(self, request: Request, slug: str, item_id: int) -> Response:
        """List all comments on the item, the oldest first."""
        item = get_object_or_404(self.project.items, pk=item_id)
        written = item.comments.select_related("user", "to").order_by("pk")
        return Response(CommentResponse(written, many=True).data)

    @extend_schema(request=CommentRequest, responses={201: CommentResponse})
    def post(self, request: Request, slug: str, item_id: int) -> Response:
        """Write a comment on the item, either to an annotator who answered the item or for reviewers and managers
        alone.

        Respond with 409 if the annotator in `to` has not answered the item.
        """
        item = get_object_or_404(self.project.items, pk=item_id)
        body = fields.read_body(CommentRequest, request.data)
        made = comments.write_reviewers_comment(item=item, user=self.user, text=body["text"], to=body["to"])
        return Response(CommentResponse(made).data, status=status.HTTP_201_CREATED)


class OwnComments(ProjectView):
    """The caller's own comments, by item, with the replies to them. The item's other fields are hidden."""

    subject = "Labeling"
    reading = Ability.TASKS_ANSWER
    changing = Ability.TASKS_ANSWER

    @extend_schema(responses=ThreadResponse(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """List the caller's comments and the replies to them, by item, the newest first, at most 100 items."""
        return Response(ThreadResponse(comments.threads_of(self.project, self.user), many=True).data)

    @extend_schema(request=None, responses={200: ReadResponse})
    def post(self, request: Request, slug: str) -> Response:
        """Mark all replies to the caller's comments as read."""
        return Response({"read": comments.mark_read(self.project, self.user)})
