"""The page that changes several items at once: those selected in the list, or all that match its filters.

GET shows the effect of the change and changes nothing; POST makes the change. A single item works, too.
"""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from labeling.labels.items.records import ItemRecord, certified_by, learned_by
from labeling.models import Ability, Item, Membership, Project
from labeling.projects import bulk
from labeling.queue.changing import ACTIONS, CLOSING, ERASE, MAX_ITEMS, RELABEL, Change, Effect
from labeling.queue.removing import RemovalError
from labeling.web.items.item_query import MAX_CHOICES, CorrectionForm, Finding
from labeling.web.items.views import SECTION, class_names
from labeling.web.shared import words
from labeling.web.shared.pages import errors_as_messages, for_members, render_page


class ReasonForm(forms.Form):
    """The reason for a change, recorded for later readers."""

    note = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ErasureForm(ReasonForm):
    """The reason for an erasure, which must be given."""

    note = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("It stays in the audit log, so do not write anything that is to be erased."),
        max_length=300,
        error_messages={"required": gettext_lazy("Give a reason, such as the number of a request.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


@for_members(reading=Ability.ITEMS_CHANGE, changing=Ability.ITEMS_CHANGE)
def change_items(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the effect of a change of the selected items (GET), or make the change (POST)."""
    project = membership.project
    action = request.GET.get("action", "")
    finding = Finding(request, project)
    if action not in ACTIONS:
        return redirect(_back(request, project, finding))
    ids, more = _chosen(request, finding)
    # The filters of a change in the background are stored, and may have words that are to be erased.
    in_background = more and bool(request.GET.get("all")) and finding.valid and action != ERASE
    classes = class_names(project) if action == RELABEL else {}
    form = _form(request, project, action, classes)
    change = Change(action, ids)
    if request.method == "POST" and form.is_valid() and ids and (in_background or not more):
        value = form.stored if isinstance(form, CorrectionForm) else None
        if action != RELABEL or value is not None:
            change = Change(action, ids, form.cleaned_data["note"].strip(), value)
            carry_out = _leave_to_worker if in_background else _carry_out
            return carry_out(request, membership, finding, change)
    effect = change.effect_on(finding.items) if in_background else change.preview(project)
    n_chosen = finding.count()[0] if in_background else len(ids)
    context = {
        "title": gettext(ACTIONS[action].title),
        "done": gettext(ACTIONS[action].done),
        "meaning": gettext(ACTIONS[action].meaning),
        "dangerous": action in CLOSING,
        "asks_reason": action in CLOSING,
        "relabel": action == RELABEL,
        "chosen": words.count(n_chosen, "item"),
        "effect": effect,
        "sentences": _sentences(action, n_chosen, effect),
        "stays": _stays(project, ids) if action == ERASE else [],
        "more": more and not in_background,
        "in_background": in_background,
        "most": words.number(MAX_ITEMS),
        "form": form,
        "query": request.GET.urlencode(),
        "back": _back(request, project, finding),
        **classes,
    }
    status = 400 if request.method == "POST" else 200
    return render_page(request, membership, "project/items_change.html", context, section=SECTION, status=status)


def _chosen(request: HttpRequest, finding: Finding) -> tuple[list[int], bool]:
    """Return the ids of the selected items, and whether more are selected than can be changed at once."""
    if request.GET.get("all"):
        ids = list(finding.items.order_by("pk").values_list("pk", flat=True)[: MAX_ITEMS + 1])
    else:
        texts = request.GET.getlist("item")[: MAX_ITEMS + 1]
        ids = sorted({int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19})
    return ids[:MAX_ITEMS], len(ids) > MAX_ITEMS


def _form(request: HttpRequest, project: Project, action: str, classes: dict[str, Any]) -> CorrectionForm | ReasonForm:
    data = request.POST if request.method == "POST" else None
    if action != RELABEL:
        return (ErasureForm if action == ERASE else ReasonForm)(data, auto_id="change-%s")
    names = classes.get("class_names", [])
    blank = ItemRecord(Item(project=project), None, None, [], [], [], [], {})
    return CorrectionForm(data, project=project, record=blank, classes=names if len(names) <= MAX_CHOICES else [])


def _sentences(action: str, chosen: int, effect: Effect) -> list[str]:
    """Describe the effect of the change on the selected items."""
    sentences = []
    if effect.items < chosen:
        n = chosen - effect.items
        text = ngettext(
            "%(n)s of the selected items stays as it is.", "%(n)s of the selected items stay as they are.", n
        )
        sentences.append(text % {"n": words.number(n)})
    if (n := effect.labels) and action != RELABEL:
        text = ngettext("%(n)s of them has a label.", "%(n)s of them have labels.", n)
        sentences.append(text % {"n": words.number(n)})
    if n := effect.tasks:
        text = ngettext(
            "%(n)s task of the open batch will be closed. People who hold one get another.",
            "%(n)s tasks of the open batch will be closed. People who hold one get another.",
            n,
        )
        sentences.append(text % {"n": words.number(n)})
    return sentences


def _stays(project: Project, ids: list[int]) -> list[str]:
    """Describe what an erasure leaves."""
    sentences = []
    if learned := learned_by(project, ids):
        text = ngettext(
            "Model version %(versions)s learned from them and stays as it is.",
            "Model versions %(versions)s learned from them and stay as they are.",
            len(learned),
        )
        sentences.append(text % {"versions": gettext(", ").join(map(words.number, learned))})
    if certificates := certified_by(project, ids):
        text = ngettext(
            "Certificate %(numbers)s counted them and stays as it was issued.",
            "Certificates %(numbers)s counted them and stay as they were issued.",
            len(certificates),
        )
        sentences.append(text % {"numbers": gettext(", ").join(map(words.number, certificates))})
    return [
        *sentences,
        gettext("Earlier backups contain them: delete these yourself, or erase the items again after a restore."),
        gettext("Downloaded exports and predictions still contain them."),
        gettext("Copies of the project keep their copies of the items: erase them there, too."),
        gettext("Files at a source stay there, and a later check of the source can import them again."),
    ]


def _carry_out(request: HttpRequest, membership: Membership, finding: Finding, change: Change) -> HttpResponse:
    with errors_as_messages(request, RemovalError):
        effect = change.carry_out(membership.project, membership.user)
        n, done = effect.items, gettext(ACTIONS[change.action].done)
        text = ngettext("%(n)s item is %(done)s.", "%(n)s items are %(done)s.", n)
        if n:
            messages.success(request, text % {"n": words.number(n), "done": done})
        else:
            messages.info(request, gettext("Nothing had to be changed."))
    return redirect(_back(request, membership.project, finding))


def _leave_to_worker(request: HttpRequest, membership: Membership, finding: Finding, change: Change) -> HttpResponse:
    change = replace(change, ids=())
    asked = bulk.ask(project=membership.project, user=membership.user, filters=finding.filters, change=change)
    messages.success(
        request,
        gettext("%(items)s: in progress. You do not have to wait.") % {"items": words.count(asked.total, "item")},
    )
    return redirect(_back(request, membership.project, finding))


def _back(request: HttpRequest, project: Project, finding: Finding) -> str:
    """Return the address of the item or the list that the user came from."""
    ids = request.GET.getlist("item")
    if request.GET.get("back") == "item" and len(ids) == 1 and ids[0].isascii() and ids[0].isdigit():
        path = reverse("project-item", args=[project.slug, ids[0]])
    else:
        path = reverse("project-items", args=[project.slug])
    return path + finding.tail
