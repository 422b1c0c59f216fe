"""The pages that list items, show an item with its history, and correct its label."""

import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext

from labeling import kinds
from labeling.insight.attention import attention_of
from labeling.labels import corrections
from labeling.labels.items import search
from labeling.labels.items.filter_values import classes_like
from labeling.labels.items.order import count_up_to, page_after, page_before
from labeling.labels.items.records import ItemRecord, lines_of, record_of
from labeling.models import Ability, Item, LabelClass, Membership, Project
from labeling.outside import references
from labeling.projects import bulk
from labeling.projects.classes import examples
from labeling.projects.classes.common import ClassError
from labeling.projects.erasing_items import KEPT_DAYS
from labeling.queue.changing import ACTIONS, ERASE, RESTORE
from labeling.storage.db.replica import reads
from labeling.web.items import item_view
from labeling.web.items.item_query import MAX_CHOICES, MAX_LISTED, CorrectionForm, Finding
from labeling.web.review.comments import thread_context
from labeling.web.shared import words
from labeling.web.shared.forms import number_in
from labeling.web.shared.pages import errors_as_messages, for_members, render_page

ITEMS_A_PAGE = 60
SECTION = "project-items"
# The most class names that are proposed while the user types.
PROPOSED = 20


@for_members(reading=Ability.ITEMS_READ)
@reads()
def item_list(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the items that match the filters, in pages by key: late pages of a million items are fast, too."""
    project = membership.project
    finding = Finding(request, project)
    before = finding.place(request.GET.get("before"))
    if before:
        page = page_before(finding.items, finding.order, before, ITEMS_A_PAGE)
    else:
        page = page_after(finding.items, finding.order, finding.place(request.GET.get("after")), ITEMS_A_PAGE)
    lines, names = lines_of(project, page.keys)
    n, more = finding.count()
    context = {
        "form": finding.form,
        "finding": finding,
        "counted": gettext("More than %(n)s items") % {"n": words.number(n)} if more else words.count(n, "item"),
        "one": n == 1,
        "alike": finding.filter.get("like"),
        "compared": words.number(finding.filter["like"].compared) if "like" in finding.filter else "",
        "unindexed": _unindexed(project) if "q" in finding.filter else "",
        "cards": [item_view.card(project, line, names) for line in lines],
        "earlier": finding.with_place("before", page.before),
        "later": finding.with_place("after", page.after),
        "attention": attention_of(project),
        "actions": [(name, gettext(action.title)) for name, action in ACTIONS.items() if _offered(name, finding)],
        "excluded": not lines and project.items.excluded().exists(),
        "change_all": n > 0,
        "changes": [(gettext(ACTIONS[each.action].title), each) for each in bulk.under_way(project)],
        "hidden": finding.typed,
        "annotators": project.memberships.order_by("user__username").values_list("user__username", flat=True),
        **class_names(project),
    }
    return render_page(
        request, membership, "project/items.html", context, section=SECTION, status=200 if finding.valid else 400
    )


def _offered(action: str, finding: Finding) -> bool:
    """Return whether the list offers the action: deleted items can only be restored or erased."""
    return action in (RESTORE, ERASE) if finding.filter.get("deleted") else action != RESTORE


def _unindexed(project: Project) -> str:
    """Return how many items the full-text search does not find yet, in words; empty if it finds all."""
    n, more = count_up_to(search.unindexed(project))
    if not n:
        return ""
    return gettext("More than %(n)s items") % {"n": words.number(n)} if more else words.count(n, "item")


def class_names(project: Project) -> dict[str, Any]:
    """Return all class names, or for many classes the address that proposes names."""
    if project.asks.proposes:
        return {}
    keys = dict(project.classes.offered().values_list("name", "key")[: MAX_LISTED + 1])
    if len(keys) > MAX_LISTED:
        return {"propose": reverse("project-item-classes", args=[project.slug])}
    return {"class_names": list(keys), "class_keys": keys}


@for_members(reading=Ability.ITEMS_READ)
def class_proposals(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return a few names of classes that contain the typed text."""
    text = request.GET.get("q", "").replace("\x00", "")[: LabelClass._meta.get_field("name").max_length]
    return JsonResponse({"classes": classes_like(membership.project, text, PROPOSED)})


@for_members(reading=Ability.ITEMS_READ)
def item_detail(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Show one item and how its label came about, with the form that corrects it for members who may review."""
    record = _record(membership.project, item_id)
    classes = class_names(membership.project)
    return _page(request, membership, record, classes, correction_form(membership.project, record, classes))


@for_members(changing=Ability.REVIEW_DO)
def correct_item(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Correct or confirm the label, then show the next item of the list or stay."""
    project = membership.project
    record = _record(project, item_id)
    classes = class_names(project)
    form = correction_form(project, record, classes, request.POST)
    if not form.is_valid() or form.stored is None:
        return _page(request, membership, record, classes, form, status=400)
    # The next item is found first, because the correction may move the item in the list or out of it.
    finding = Finding(request, project)
    place = finding.place(request.GET.get("at")) or finding.position(record.item)
    _, later = finding.around(record.item, str(place))
    try:
        corrections.correct(
            item=record.item, user=membership.user, value=form.stored, note=form.cleaned_data["note"].strip()
        )
    except corrections.CorrectionError as error:
        messages.error(request, error.detail)
        return _to_item(project, item_id, finding.with_place("at", place))
    messages.success(request, gettext("%(title)s is settled.") % {"title": record.item.title})
    if "next" not in request.POST:
        return _to_item(project, item_id, finding.with_place("at", place))
    if later is None:
        messages.info(request, gettext("That was the last item here."))
        return redirect(f"{reverse('project-items', args=[project.slug])}?{finding.query}")
    return _to_item(project, later, finding.query)


@for_members(changing=Ability.SETTINGS_CHANGE)
def choose_example(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Show the item as an example of a class, or with `remove` end that; then return to the item or to the class."""
    project = membership.project
    item = get_object_or_404(project.items, pk=item_id)
    index = number_in(request.POST.get("class", ""), default=-1)
    with errors_as_messages(request, ClassError):
        if "remove" in request.POST:
            examples.remove_example(project=project, index=index, item=item)
            messages.success(request, gettext("%(title)s is no longer shown as an example.") % {"title": item.title})
        else:
            examples.choose(project=project, user=membership.user, index=index, item=item)
            messages.success(
                request, gettext("%(title)s is shown to annotators as an example.") % {"title": item.title}
            )
    if request.POST.get("back") == "class" and project.classes.filter(index=index).exists():
        return redirect("project-class", project.slug, index)
    return redirect("project-item", project.slug, item_id)


@for_members(changing=Ability.REVIEW_DO)
def withdraw_correction(request: HttpRequest, membership: Membership, item_id: int) -> HttpResponse:
    """Withdraw the correction, so that the annotators' answers make the label again."""
    project = membership.project
    record = _record(project, item_id)
    finding = Finding(request, project)
    place = finding.place(request.GET.get("at")) or finding.position(record.item)
    with errors_as_messages(request, corrections.CorrectionError):
        corrections.withdraw(item=record.item, user=membership.user)
        messages.success(request, gettext("The correction is withdrawn: the annotators’ answers count again."))
    return _to_item(project, item_id, finding.with_place("at", place))


def _to_item(project: Project, item_id: int, query: str) -> HttpResponse:
    path = reverse("project-item", args=[project.slug, item_id])
    return redirect(f"{path}?{query}" if query else path)


def _record(project: Project, item_id: int) -> ItemRecord:
    try:
        return record_of(project, item_id)
    except Item.DoesNotExist:
        raise Http404(gettext("This project has no item with this id.")) from None


def correction_form(project: Project, record: ItemRecord, classes: dict[str, Any], data: Any = None) -> CorrectionForm:
    """Make the form that corrects the item's label, with buttons for the classes if they are few."""
    names = classes.get("class_names", [])
    return CorrectionForm(data, project=project, record=record, classes=names if len(names) <= MAX_CHOICES else [])


def _example_classes(membership: Membership, item: Item) -> list[dict[str, Any]]:
    """Return the classes that the member may choose the item as an example of, and whether it is one.

    Takes at most two queries.
    """
    if not membership.can(Ability.SETTINGS_CHANGE) or item.label is None:
        return []
    chosen = set(item.example_of.values_list("label_class", flat=True))
    classes = examples.classes_of(membership.project, item)
    return [{"row": each, "chosen": each.pk in chosen} for each in classes]


def _page(
    request: HttpRequest,
    membership: Membership,
    record: ItemRecord,
    classes: dict[str, Any],
    form: CorrectionForm,
    status: int = 200,
) -> HttpResponse:
    project, item = membership.project, record.item
    finding = Finding(request, project)
    at = finding.place(request.GET.get("at"))
    earlier, later = finding.around(item, str(at) if at else None)
    label = item_view.label_text(project.asks, item.label, record.names)
    certified = record.certified
    context = {
        "record": record,
        "item": item,
        "finding": finding,
        "query_at": finding.with_place("at", at) or finding.query,
        "earlier": earlier,
        "later": later,
        "form": form,
        **thread_context(item),
        "keys": project.asks.keys(classes.get("class_keys", {})),
        "label": label,
        "certified": certified,
        "certified_label": certified and item_view.label_text(project.asks, certified.value, record.names),
        "changes": item_view.changes(record, labeled=bool(label)),
        "state": item_view.state_text(record.state),
        "proposed": None if item.proposed is None else record.names.get(item.proposed),
        "came_to_be": item_view.came_to_be(record),
        "near_copy_label": item_view.label_text(project.asks, record.near_copy.of.label, record.names)
        if record.near_copy
        else "",
        "annotations": item_view.annotation_rows(record),
        "checks": item_view.check_rows(record),
        "corrections": item_view.correction_rows(record),
        "why": item_view.why_picked(record),
        "learned_by": record.learned_by(project.versions.select_related("batch")) if record.task else [],
        "gone_at": record.removal.created_at + datetime.timedelta(days=KEPT_DAYS) if record.removal else None,
        "example_classes": _example_classes(membership, item),
        "fields": kinds.of(project).facts(item.data),
        "lost": references.problem_of(item.media),
        **classes,
    }
    return render_page(request, membership, "project/item.html", context, section=SECTION, status=status)
