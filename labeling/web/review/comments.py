"""The view that comments on an item, and the page of an annotator's own comments."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext

from labeling import kinds
from labeling.labels import comments
from labeling.models import Ability, Item, Membership, Project
from labeling.web.items.item_view import label_text
from labeling.web.shared.pages import errors_as_messages, for_members, render_page


@for_members(changing=Ability.REVIEW_DO)
def comment_item(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Comment on the item, to one of its annotators or to reviewers and managers alone, then return to the page."""
    project = membership.project
    item = get_object_or_404(project.items, pk=item_id)
    with errors_as_messages(request, comments.CommentError):
        comments.write_reviewers_comment(
            item=item, user=membership.user, text=request.POST.get("text", ""), to=request.POST.get("to", "")
        )
        messages.success(request, gettext("Your comment is saved."))
    if request.POST.get("back") == "review":
        response = redirect("project-review", project.slug)
        response["Location"] += f"?item={item.pk}"
        return response
    return redirect("project-item", project.slug, item.pk)


@for_members(reading=Ability.TASKS_ANSWER, changing=Ability.TASKS_ANSWER)
def own_comments(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the member's comments and the replies, by item. POST marks all replies as read."""
    project = membership.project
    if request.method == "POST":
        comments.mark_read(project, membership.user)
        return redirect("label-comments", project.slug)
    threads = comments.threads_of(project, membership.user)
    values = [each.annotation.value for thread in threads for each in thread.comments if each.annotation]
    proposed = [thread.item.proposed for thread in threads if thread.item.proposed is not None]
    names = project.names_in(values, proposed)
    context = {
        "threads": [_thread(project, each, names) for each in threads],
        "unread": any(each.unread for each in threads),
    }
    return render_page(request, membership, "label/comments.html", context, section="label")


def _thread(project: Project, thread: comments.Thread, names: dict[int, str]) -> dict[str, Any]:
    return {
        "item": thread.item,
        "fields": kinds.of(project).facts(thread.item.data),
        "unread": thread.unread,
        "proposed": None if thread.item.proposed is None else names.get(thread.item.proposed),
        "comments": [
            {
                "row": each,
                "own": each.to_id is None,
                "answer": "" if each.annotation is None else _answer(project, each.annotation, names),
                "new": each.to_id is not None and each.read_at is None,
            }
            for each in thread.comments
        ],
    }


def _answer(project: Project, annotation: Any, names: dict[int, str]) -> str:
    if annotation.value is None:
        return gettext("Skipped: %(reason)s") % {"reason": gettext(annotation.skip_reason)}
    answer = label_text(project.asks, annotation.value, names)
    return gettext("Answered: %(answer)s") % {"answer": answer}


def thread_context(item: Item) -> dict[str, Any]:
    """Return the comments on the item and the annotators to write to, for reviewers. Takes three queries."""
    written = item.comments.select_related("user", "to").order_by("pk")
    return {"thread": written, "answerable": list(comments.annotators_of(item))}
