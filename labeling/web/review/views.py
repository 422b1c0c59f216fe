"""The review queue: one item at a time with its history, and one form for each decision."""

import json
from typing import Any

from django.contrib import messages
from django.forms import RadioSelect
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from labeling import kinds
from labeling.insight.review import COUNTED, Reason, ReviewQueue, queue_of, reasons_of, unlike_copies_of
from labeling.labels.items.records import ItemRecord, record_of
from labeling.models import Ability, Item, Membership, Project
from labeling.projects.people.invisible import isolated
from labeling.queue import reviewing
from labeling.web.items import item_view
from labeling.web.items.item_query import CorrectionForm
from labeling.web.items.views import class_names, correction_form
from labeling.web.review.comments import thread_context
from labeling.web.shared import words
from labeling.web.shared.forms import number_in
from labeling.web.shared.pages import errors_as_messages, for_members, render_page

SECTION = "project-review"
NOT_READ = object()


@for_members(reading=Ability.REVIEW_READ)
def review(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the requested item, or the next one that no other reviewer holds, and hold it for this reviewer.

    `item` in the query requests an item, with a message if it cannot be reviewed; `next` prefers an item if it still
    waits and is not held.
    """
    project, user = membership.project, membership.user
    reason = _reason(request)
    queue = queue_of(project, user, reason)
    asked = number_in(request.GET.get("item", ""), default=0)
    if asked:
        item = get_object_or_404(project.items, pk=asked)
        if not reasons_of(project, asked):
            text = gettext("%(title)s no longer waits for a review.")
            messages.info(request, text % {"title": isolated(item.title)})
            return redirect(_address(project, reason))
        if asked in queue.held:
            text = gettext("Another person is reviewing %(title)s right now.")
            messages.info(request, text % {"title": isolated(item.title)})
            return redirect(_address(project, reason))
    due = number_in(request.GET.get("next", ""), default=0)
    key = asked or (due if due in queue.ids and due not in queue.held else queue.next())
    while key and not _hold_item(project, membership, key):  # another reviewer took it since the queue was read
        key = queue.next(key)
    if not key:
        return _page(request, membership, queue, reason, {"others": len(queue.held & set(queue.ids))})
    record = record_of(project, key)
    classes = class_names(project)
    return _item_page(request, membership, queue, reason, record, classes, correction_form(project, record, classes))


@for_members(changing=Ability.REVIEW_DO)
def review_item(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Accept the label, choose another, send the item back or put it off; then show the next item."""
    project, user, reason = membership.project, membership.user, _reason(request)
    item = get_object_or_404(project.items, pk=item_id)
    note = request.POST.get("note", "").strip()[:300]
    with errors_as_messages(request, reviewing.ReviewError):
        match request.POST.get("decision", ""):
            case "later":
                reviewing.put_off(item=item, user=user)
                text = gettext("%(title)s will come back after the others.")
                messages.info(request, text % {"title": isolated(item.title)})
            case "back":
                tell = "tell" in request.POST
                reviewing.send_back(project=project, item=item, user=user, note=note, tell=tell)
                text = gettext("%(title)s is sent back and will be asked again.")
                if tell and note:
                    text = gettext(
                        "%(title)s is sent back and will be asked again. Those who answered can read your note."
                    )
                messages.success(request, text % {"title": isolated(item.title)})
            case "accept" if item.label is not None:
                reviewing.settle(item=item, user=user, value=item.label, note=note, seen=_seen(request))
                messages.success(request, _settled(project, item, item.label))
            case _:
                record, classes = record_of(project, item_id), class_names(project)
                form = correction_form(project, record, classes, request.POST)
                if not form.is_valid() or form.stored is None:
                    queue = queue_of(project, user, reason)
                    return _item_page(request, membership, queue, reason, record, classes, form, status=400)
                reviewing.settle(item=item, user=user, value=form.stored, note=note, seen=_seen(request))
                messages.success(request, _settled(project, item, form.stored))
    return redirect(_address(project, reason, next=number_in(request.POST.get("next", ""), default=0)))


def _hold_item(project: Project, membership: Membership, key: int) -> bool:
    """Hold the item for the member and return whether that worked. Members who only read hold nothing."""
    reads_only = project.archived_at is not None or not membership.can(Ability.REVIEW_DO)
    return reads_only or reviewing.hold(item=Item(pk=key), user=membership.user)


def _reason(request: HttpRequest) -> Reason | None:
    text = request.GET.get("reason", "")
    return Reason(text) if text in Reason.values else None


def _seen(request: HttpRequest) -> Any:
    """Return the label that the reviewer saw."""
    try:
        return json.loads(request.POST.get("seen", "null"))
    except ValueError:
        return NOT_READ


def _settled(project: Project, item: Item, value: Any) -> str:
    names = project.names_in([value])
    return gettext("%(title)s is settled as %(value)s.") % {
        "title": isolated(item.title),
        "value": item_view.label_text(project.asks, value, names),
    }


def _address(project: Project, reason: Reason | None, **key: int) -> str:
    """Return the address of the review page. `key` is the parameter `item` or `next`."""
    query = urlencode({name: value for name, value in [("reason", reason), *key.items()] if value})
    path = reverse("project-review", args=[project.slug])
    return f"{path}?{query}" if query else path


def _item_page(
    request: HttpRequest,
    membership: Membership,
    queue: ReviewQueue,
    reason: Reason | None,
    record: ItemRecord,
    classes: dict[str, Any],
    form: CorrectionForm,
    status: int = 200,
) -> HttpResponse:
    project, item = membership.project, record.item
    answers = item_view.annotation_rows(record)
    before, following = queue.before(item.pk), queue.next(item.pk)
    widget = form.fields["value"].widget
    choices = widget.choices if isinstance(widget, RadioSelect) else None
    context = {
        "record": record,
        "item": item,
        "why_here": [gettext(each.label) for each in reasons_of(project, item.pk)],
        "unlike": _unlike(project, item),
        "label": item_view.label_text(project.asks, item.label, record.names),
        "seen": json.dumps(item.label),
        "came_to_be": item_view.came_to_be(record),
        "proposed": None if item.proposed is None else record.names.get(item.proposed),
        "answers": [each for each in answers if each["row"].undone_at is None],
        "undone": [each for each in answers if each["row"].undone_at is not None],
        "corrections": item_view.correction_rows(record),
        "model": item_view.model_says(record),
        "form": form,
        **thread_context(item),
        "choices": choices,
        "keys": project.asks.keys(classes.get("class_keys", {})),
        "fields": kinds.of(project).facts(item.data),
        "earlier": _address(project, reason, item=before) if before else "",
        "later": _address(project, reason, item=following) if following else "",
        "next": following,
        "picture_ahead": _picture(project, following),
        **classes,
    }
    return _page(request, membership, queue, reason, context, status)


def _unlike(project: Project, item: Item) -> list[tuple[Item, str]]:
    """Return the near-copies with another label, each with its label."""
    others = unlike_copies_of(item)
    names = project.names_in([each.label for each in others])
    return [(each, item_view.label_text(project.asks, each.label, names)) for each in others]


def _picture(project: Project, key: int | None) -> str:
    """Return the address of the next item's picture, so that the browser can load it ahead; empty without a picture."""
    if key is None or not kinds.of(project).is_picture:
        return ""
    return f"{reverse('api:item-media', args=[project.slug, key])}?size=preview"


def _page(
    request: HttpRequest,
    membership: Membership,
    queue: ReviewQueue,
    reason: Reason | None,
    context: dict[str, Any],
    status: int = 200,
) -> HttpResponse:
    shared = {
        "reason": reason,
        "reasons": [
            {
                "name": each.value,
                "title": gettext(each.label),
                "n": words.number(min(n, COUNTED)) + "+" * (n > COUNTED),
                "any": n > 0,
                "on": each == reason,
            }
            for each, n in queue.counts.items()
        ],
        "waiting": queue.any,
        "query": urlencode({"reason": reason}) if reason else "",
    }
    return render_page(
        request, membership, "project/review.html", {**shared, **context}, section=SECTION, status=status
    )
