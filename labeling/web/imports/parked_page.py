"""A parked import: its first rows as items, and the form that says what columns and labels are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_noop as _

from labeling import kinds
from labeling.intake import new_classes, parked
from labeling.intake.drafts import Draft, Rejection
from labeling.intake.guessing import OWN_LABELS
from labeling.intake.looking import FOLDERS, FirstRow, LabelCounts, consequence
from labeling.intake.readers import Layout, UnreadableFile
from labeling.intake.readers.base import EXPORTED
from labeling.intake.readers.layout import DELIMITERS, ENCODINGS, LABELS_AS, LayoutError
from labeling.intake.row_labels import ORIGIN, SHORT, is_dataset, is_short
from labeling.kinds import FileKind, Kind
from labeling.models import Ability, ItemImport, Membership, Project
from labeling.outgoing.exports.splits import GROUP
from labeling.outside.sources import SourceProblem
from labeling.projects.people import access
from labeling.web.imports.import_rows import label_notice, next_step
from labeling.web.shared.forms import translated_choices
from labeling.web.shared.pages import render_page
from labeling.web.shared.words import count

NAMED = 12  # unknown classes by name; the others are counted
OWN = frozenset({"id", "external_id", "class", "annotations", "skips", *OWN_LABELS})
"""Columns that are never shown to annotators, so that leaving them out is no question."""


@dataclass(frozen=True, slots=True)
class Select:
    """A select of the form: (value, text) of its options, and the chosen value."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]
    chosen: str


@dataclass(frozen=True, slots=True)
class Card:
    """One of the first rows as annotators will see it. `problem` is the reason why it would be rejected."""

    where: str
    label: str
    problem: str = ""
    external_id: str = ""
    excerpt: str = ""
    facts: Sequence[tuple[str, str]] = ()


def page(request: HttpRequest, membership: Membership, item_import: ItemImport) -> HttpResponse:
    """Show a parked import, or the picture of one of its first rows; on POST begin, discard or change the import."""
    if request.method == "POST":
        return _posted(request, membership, item_import)
    if "picture" in request.GET:
        return _picture(item_import, request.GET["picture"], membership)
    try:
        look = parked.look(item_import, person=membership.user.pk)
    except UnreadableFile as error:
        look = parked.Look(Layout(), (), Layout(), "", [], LabelCounts(), str(error))
    context = {
        "import": item_import,
        "picture": "?picture=",
        "known": parked.is_known(look, membership.project),
        **preview_of(look, membership.project),
    }
    return render_page(request, membership, "project/import_parked.html", context, section="project-import")


def _posted(request: HttpRequest, membership: Membership, item_import: ItemImport) -> HttpResponse:
    action, project = request.POST.get("do"), membership.project
    here = redirect("project-import-detail", project.slug, item_import.pk)
    try:
        if action == "discard":
            parked.discard(item_import=item_import)
            messages.success(request, gettext("%(name)s was discarded.") % {"name": item_import.name})
            return redirect("project-import", project.slug)
        values = {
            name: request.POST.getlist(name) if name == "leave_out" else text for name, text in request.POST.items()
        }
        layout = Layout.read(values)
        before = Layout.read(item_import.layout)
        if (layout.label_column or "label") != (before.label_column or "label"):  # the choice was for other labels
            layout = replace(layout, unknown_labels="")
        parked.change(item_import=item_import, layout=layout)
        if action != "import":
            return here
        if not layout.unknown_labels:
            seen = parked.look(item_import, person=membership.user.pk)
            layout = replace(layout, unknown_labels=seen.layout.unknown_labels)
        if layout.labels_as != "ignore" and not layout.unknown_labels:
            raise ValidationError(gettext("Choose what to do with labels that are not classes."))
        if layout.adds_classes:
            access.require(membership, Ability.SETTINGS_CHANGE)
        known = set(project.classes.values_list("name", flat=True))
        received = parked.start(item_import=item_import, layout=layout)
        classes = project.classes.order_by("index").values_list("name", flat=True)
        return answer(request, received, [name for name in classes if name not in known])
    except (LayoutError, UnreadableFile) as error:
        messages.error(request, str(error))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        if not ItemImport.objects.filter(pk=item_import.pk).exists():
            return redirect("project-import", project.slug)
    return here


def answer(request: HttpRequest, received: ItemImport, added: Sequence[str] = ()) -> HttpResponse:
    """Say what became of an upload and of the classes `added` for it, and lead to the page that shows more of it."""
    slug = received.project.slug
    if received.state == ItemImport.State.PARKED:
        return redirect("project-import-detail", slug, received.pk)
    if received.state in (ItemImport.State.REFUSED, ItemImport.State.FAILED):
        messages.error(request, received.reason)
        return redirect("project-import-detail", slug, received.pk)
    if received.state == ItemImport.State.DONE:
        brought = gettext("%(items)s imported from %(name)s.") % {
            "items": count(received.accepted, "item"),
            "name": received.name,
        }
        brought = " ".join(filter(None, [brought, _added(added), label_notice(received)]))
        step = next_step(received.project)
        if received.rejected:
            address = reverse("project-import-detail", args=[slug, received.pk])
            aside = count(received.rejected, "row")
            link = format_html(gettext('{} rejected: <a href="{}">see the list</a>.'), aside, address)
            messages.warning(request, format_html("{} {} {}", brought, link, step))
        else:
            messages.success(request, format_html("{} {}", brought, step))
    else:
        uploaded = gettext("%(name)s is uploaded. Importing in the background.") % {"name": received.name}
        messages.success(request, " ".join(filter(None, [uploaded, _added(added)])))
    return redirect("project-import", slug)


def preview_of(look: parked.Look, project: Project) -> dict[str, Any]:
    """Return what the template `project/first_rows.html` shows. The project need not be stored yet."""
    kind, found = kinds.of(project), look.counts
    unknown, proposes = found.unknown, project.asks.proposes
    in_file = found.labels + found.unknown_rows
    noun = "item" if found.from_folders else "row"
    return {
        "problem": look.problem,
        "cards": [_card(row, kind, is_file=found.from_folders) for row in look.first],
        "selects": list(_selects(look, kind, project)),
        "leave_out": [
            (name, name in look.layout.leave_out)
            for name in (() if _is_exported(look) else _offered(look))
            if name not in {*OWN, _content(look, kind), *look.layout.named}
        ],
        "recognized": found.recognized,
        "exported": _exported(found),
        "grouped": GROUP in look.columns and isinstance(kind, FileKind),
        "uses": _uses(found, look.layout, project) if in_file and not (proposes and found.from_folders) else [],
        "unknown": _some(unknown),
        "spellings": _some(
            gettext("%(name)s (also “%(others)s”)") % {"name": name, "others": "”, “".join(others[:NAMED])}
            for name, others in found.spellings.items()
        ),
        "unknown_rows": count(found.unknown_rows, noun),
        "from_folders": found.from_folders,
        "unknown_labels": look.layout.unknown_labels,
        "can_add": new_classes.can_add(project.asks),
        "new_classes": count(len(unknown), "class", "classes"),
        "look_like_texts": found.look_like_texts,
        "telling": [] if look.layout.labels_as in ("", "trusted") else found.telling,
        "empty": not look.problem and found.empty == found.rows,
        "n_rows": found.rows,
        "rows": _at_least(found, gettext("more than %(rows)s"), rows=count(found.rows, noun)),
    }


def _is_exported(look: parked.Look) -> bool:
    """Return whether the columns are those of an export, so that there is nothing to choose."""
    return EXPORTED.issubset(look.columns) or is_dataset(look.columns)


def _selects(look: parked.Look, kind: Kind, project: Project) -> Iterable[Select]:
    columns, layout = [(name, name) for name in _offered(look)], look.layout
    if columns and not _is_exported(look):
        if not kind.takes_number_columns:
            name = "media_column" if isinstance(kind, FileKind) else "text_column"
            yield Select(name, gettext(kind.noun.capitalize()), columns, _content(look, kind))
        own_id = next((name for name in ("external_id", "id") if name in look.columns), "")
        none = [] if own_id else [("", gettext("None: the items get ids"))]
        yield Select("id_column", gettext("Id"), [*none, *columns], layout.id_column or own_id)
        own = "label" if "label" in look.columns else ""
        none = [] if own else [("", gettext("None: nothing is labeled"))]
        asked = [(name, name) for name in look.questions if name not in look.columns]
        yield Select("label_column", pgettext("noun", "Label"), [*none, *columns, *asked], layout.label_column or own)
    if look.delimiter:
        yield Select("delimiter", gettext("Delimiter"), translated_choices(DELIMITERS.items()), look.delimiter)
        yield Select("encoding", gettext("Encoding"), list(ENCODINGS.items()), layout.encoding or "utf-8")


def _offered(look: parked.Look) -> list[str]:
    """Return the columns that an import may read: not who labeled an item of a short export, when and how."""
    if not is_short(dict.fromkeys(look.columns)):
        return list(look.columns)
    # An imported field of an earlier release may be called as the column of origins.
    read = {name for row in look.first if isinstance(row.item, Draft) for name in row.item.data}
    return [name for name in look.columns if name not in SHORT and (name != ORIGIN or name in read)]


def _content(look: parked.Look, kind: Kind) -> str:
    own = [name for name in (kind.name, "file_name") if name in kind.columns and name in look.columns]
    return look.layout.content or next(iter(own), "")


def _uses(found: LabelCounts, layout: Layout, project: Project) -> list[tuple[str, str, str, bool]]:
    """Return value, title, consequence and whether it is chosen of each use of labels."""
    chosen = layout.labels_as or "trusted"
    adds = layout.unknown_labels == "add" or not found.unknown
    is_all = found.all_labeled and adds and not (project.pk and project.items.to_label().exists())
    uses = []
    for name, use in LABELS_AS.items():
        n = found.labels + (found.unknown_rows if adds or not use.column else 0)
        labels = _at_least(found, gettext("At least %(labels)s"), labels=count(n, "label"))
        uses.append((name, gettext(use.title), consequence(name, labels, is_all=is_all), name == chosen))
    return uses


def _at_least(found: LabelCounts, sentence: str, **counted: str) -> str:
    """Return the count, in the sentence if not all rows have been counted."""
    [amount] = counted.values()
    return amount if found.whole else sentence % counted


def _exported(found: LabelCounts) -> list[str]:
    """Describe in sentences what an export brings."""
    parts = (
        (found.answers, count(found.answers, "answer"), _("Trusted labels are imported with their authors and times.")),
        (
            found.certified,
            count(found.certified, "certified label"),
            _("No person gave these labels, so they are imported as suggestions."),
        ),
        (found.copies, count(found.copies, "near-copy", "near-copies"), _("Near-copies are imported without a label.")),
    )
    has = gettext("This export has %(amount)s.") if found.whole else gettext("This export has at least %(amount)s.")
    return [f"{has % {'amount': amount}} {gettext(meaning)}" for n, amount, meaning in parts if n]


def _added(names: Sequence[str]) -> str:
    added = gettext("%(classes)s added: %(names)s.")
    return added % {"classes": count(len(names), "class", "classes"), "names": _some(names)} if names else ""


def _some(all_names: Iterable[str]) -> str:
    names = list(all_names)
    some = ", ".join(names[:NAMED])
    more = gettext("%(names)s and %(n)s more") % {"names": some, "n": len(names) - NAMED}
    return more if len(names) > NAMED else some


def _card(row: FirstRow, kind: Kind, *, is_file: bool) -> Card:
    if not isinstance(row.item, Draft):
        return Card(row.where, row.label, row.item.reason)
    data = row.item.data
    name = row.where if is_file else row.item.external_id
    return Card(row.where, row.label, "", name, kind.excerpt(data) or kind.bare, kind.facts(data))


def _picture(item_import: ItemImport, place: str, membership: Membership) -> HttpResponse:
    """Return the picture of one of the first rows. 404 if the row has none, or it has not come from its source yet."""
    person = membership.user.pk
    return picture(kinds.of(item_import.project), place, lambda at: parked.first_item(item_import, at, person=person))


def picture(kind: Kind, place: str, item_at: Callable[[int], Draft | Rejection | None]) -> HttpResponse:
    """Return the picture of the item at this place; 404 if it has none."""
    try:
        is_shown = kind.is_picture and place in map(str, range(FOLDERS))
        item = item_at(int(place)) if is_shown else None
    except (UnreadableFile, SourceProblem):
        item = None
    if not isinstance(item, Draft) or not item.file:
        raise Http404(gettext("This row has no picture."))
    content = item.thumbnail or item.preview
    return HttpResponse(content or item.file, content_type="image/webp" if content else kind.content_types[item.suffix])
