"""Endpoints for comments on items, one for reviewers and one for each annotator's own comments."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.labels import comments
from labeling.models import Ability, Comment
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

    @answers(CommentResponse, needs=Ability.ITEMS_READ, many=True)
    def get(self, item_id: int) -> QuerySet[Comment]:
        """List all comments on the item, the oldest first."""
        item = get_object_or_404(self.project.items, pk=item_id)
        return item.comments.select_related("user", "to").order_by("pk")

    @answers(CommentResponse, 201, needs=Ability.REVIEW_DO, takes=CommentRequest)
    def post(self, item_id: int) -> Comment:
        """Write a comment on the item, either to an annotator who answered the item or for reviewers and managers
        alone.

        Respond with 409 if the annotator in `to` has not answered the item.
        """
        item = get_object_or_404(self.project.items, pk=item_id)
        return comments.write_reviewers_comment(item=item, user=self.user, **self.body)


class OwnComments(ProjectView):
    """The caller's own comments, by item, with the replies to them. The item's other fields are hidden."""

    @answers(ThreadResponse, needs=Ability.TASKS_ANSWER, many=True)
    def get(self) -> list[comments.Thread]:
        """List the caller's comments and the replies to them, by item, the newest first, at most 100 items."""
        return comments.threads_of(self.project, self.user)

    @answers(ReadResponse, needs=Ability.TASKS_ANSWER)
    def post(self) -> dict[str, int]:
        """Mark all replies to the caller's comments as read."""
        return {"read": comments.mark_read(self.project, self.user)}
