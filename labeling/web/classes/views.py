"""The pages of a project's classes, of proposed ones, and of the consequences of merging or splitting a class."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, ngettext

from labeling import kinds
from labeling.insight.affected import labels_by_class, touched_by
from labeling.models import Ability, ClassChange, LabelClass, Membership, Project
from labeling.models.classes import folded
from labeling.projects.classes import changing as classes
from labeling.projects.classes import examples, proposals
from labeling.projects.classes.common import ClassError
from labeling.projects.people.invisible import isolated
from labeling.projects.privacy import ledger
from labeling.web.classes.forms import AddForm, ClassForm, MergeForm, ProposalForm, SplitForm
from labeling.web.shared.forms import ErrorsInForm, number_in
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import count, number

# The most items shown for a proposed class; the page counts the others.
SHOWN = 8


def proposed(project: Project) -> list[dict[str, Any]]:
    """Return the proposed classes with a form for each. Takes two queries, however many there are."""
    groups = proposals.groups(project)
    if not groups:
        return []
    classes = list(project.classes.offered())
    by_name = {folded(each.name): each.name for each in classes}
    names = [each.name for each in classes]
    kind = kinds.of(project)
    return [
        {
            "group": group,
            "form": ProposalForm(
                names=names,
                auto_id=f"proposal-{place}-%s",
                initial={"key": group.key, "name": group.name, "into": by_name.get(group.key, "")},
            ),
            "counted": gettext("%(items)s, proposed by %(people)s")
            % {"items": count(len(group.items), "item"), "people": count(group.people, "person", "people")},
            "items": [{"row": item, "excerpt": kind.excerpt(item.data)} for item in group.items[:SHOWN]],
            "others": max(0, len(group.items) - SHOWN),
        }
        for place, group in enumerate(groups)
    ]


@action(Ability.SETTINGS_CHANGE, "project-classes", refused=(ClassError, ValidationError))
def accept_proposal(request: HttpRequest, membership: Membership) -> str:
    """Accept a proposed class: correct the labels of its items to a new or an existing class."""
    project = membership.project
    form = ProposalForm(request.POST)
    if not form.is_valid():
        raise ClassError(gettext("Enter a name for the class, of at most 200 characters."))
    name, into = form.cleaned_data["name"], form.cleaned_data["into"]
    index = None
    if into:
        index = project.classes.offered().filter(name=into).values_list("index", flat=True).first()
        if index is None:
            raise ClassError(gettext("There is no class “%(into)s”.") % {"into": into[:60]})
    key = form.cleaned_data["key"]
    accepted = proposals.accept(project=project, user=membership.user, key=key, name=name, into=index)
    name = isolated(accepted.label_class.name)
    n = accepted.labeled
    text = ngettext("%(n)s item labeled “%(name)s”.", "%(n)s items labeled “%(name)s”.", n)
    sentences = [text % {"n": number(n), "name": name}]
    if n := accepted.waiting:
        text = ngettext(
            "%(n)s item still being answered: accept again when all answers are there.",
            "%(n)s items still being answered: accept again when all answers are there.",
            n,
        )
        sentences.append(text % {"n": number(n)})
    if n := accepted.left:
        text = ngettext("%(n)s more item: accept again.", "%(n)s more items: accept again.", n)
        sentences.append(text % {"n": number(n)})
    return " ".join(sentences)


@action(Ability.SETTINGS_CHANGE, "project-classes", refused=(ClassError,))
def dismiss_proposal(request: HttpRequest, membership: Membership) -> str:
    """Dismiss a proposed class. Its items stay skipped."""
    key = request.POST.get("key", "").replace("\x00", "")
    n = proposals.dismiss(project=membership.project, user=membership.user, key=key)
    text = ngettext("Dismissed. %(n)s item stays skipped.", "Dismissed. %(n)s items stay skipped.", n)
    return text % {"n": number(n)}


# The most classes on the page; a search finds the others.
LISTED = 200
CHANGES = 10
SECTION = "project-classes"
changes_classes = action(Ability.SETTINGS_CHANGE, SECTION, refused=(ClassError, ValidationError))


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def class_list(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the classes with their number of labels and the latest changes, with a form that adds a class."""
    project = membership.project
    form = AddForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        with ErrorsInForm(form, ClassError, ValidationError):
            classes.add(project=project, user=membership.user, name=name)
            messages.success(request, gettext("“%(name)s” is added. The next model learns it.") % {"name": name})
            return redirect("project-classes", project.slug)
    text = request.GET.get("q", "").replace("\x00", "")[:200]
    context = {**_listed(project, text), **_changes(project), "form": form, "text": text, "proposed": proposed(project)}
    return render_page(request, membership, "project/classes.html", context, section=SECTION)


def _listed(project: Project, text: str) -> dict[str, Any]:
    labels, merges = labels_by_class(project), project.merges
    rows = project.classes.order_by("position", "index")
    if text:
        rows = rows.filter(name__icontains=text)
    names = project.class_names(merges.values())
    shown = list(rows[: LISTED + 1])
    return {
        "classes": [
            {
                "row": each,
                "labels": number(labels.get(each.index, 0)),
                "into": names.get(merges.get(each.index, -1), ""),
            }
            for each in shown[:LISTED]
        ],
        "more": len(shown) > LISTED,
        "counted": count(project.classes.offered().count(), "class", "classes"),
        "fixed_scale": project.asks.fixed_scale,
    }


def _changes(project: Project) -> dict[str, Any]:
    newest = project.class_changes.select_related("user").order_by("-revision")[:CHANGES]
    return {
        "changes": newest,
        "undoable": classes.undoable(project),
        "relabeling": project.class_changes.filter(relabels=True).exists(),
    }


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def class_detail(request: HttpRequest, membership: Membership, index: int) -> HttpResponse:
    """Show one class, with forms that edit, merge, split and archive it."""
    project = membership.project
    label_class = get_object_or_404(project.classes.select_related("parent"), index=index)
    form = ClassForm(request.POST or None, project=project, label_class=label_class)
    if request.method == "POST" and form.is_valid():
        with ErrorsInForm(form, ClassError, ValidationError):
            _edit(membership, label_class, form)
            messages.success(request, gettext("Saved. Annotators see it when they reload the page."))
            return redirect("project-classes", project.slug)
    touched = touched_by(label_class, labels_by_class(project))
    context = {
        "each": label_class,
        "form": form,
        "merge_form": MergeForm(project=project, label_class=label_class),
        "split_form": SplitForm(auto_id="split-%s"),
        "examples": _examples(project, label_class),
        "label_index": index,
        "most_examples": examples.MAX_EXAMPLES,
        "labels": count(touched.labels, "label"),
        "known_by": _known_by(touched.versions, touched.first_version),
        "fixed": project.asks.fixed_classes,
        "into": project.class_names(project.merges.values()).get(project.merges.get(index, -1), ""),
    }
    return render_page(request, membership, "project/class.html", context, section=SECTION)


def _examples(project: Project, label_class: LabelClass) -> list[dict[str, Any]]:
    kind = kinds.of(project)
    items = examples.examples_of(project, label_class).get(label_class.index, [])
    return [{"row": item, "excerpt": kind.excerpt(item.data)} for item in items]


def _edit(membership: Membership, label_class: LabelClass, form: ClassForm) -> None:
    classes.edit(project=membership.project, user=membership.user, index=label_class.index, **form.fields_of_class())
    position = form.cleaned_data.get("place")
    if position is not None:
        classes.move(project=membership.project, user=membership.user, index=label_class.index, position=position - 1)


def _known_by(versions: int, first: int | None) -> str:
    if not versions:
        return gettext("no model knows it yet: the next training learns it")
    return ngettext(
        "%(n)s model version knows it, from version %(first)s on",
        "%(n)s model versions know it, from version %(first)s on",
        versions,
    ) % {"n": number(versions), "first": first}


@for_members(reading=Ability.SETTINGS_CHANGE)
def merge_preview(request: HttpRequest, membership: Membership, index: int) -> HttpResponse:
    """Show the consequences of a merge before it is made."""
    project = membership.project
    source = get_object_or_404(project.classes.offered(), index=index)
    form = MergeForm(request.GET or None, project=project, label_class=source)
    if not form.is_bound or not form.is_valid():
        messages.error(request, gettext("Choose the class to merge it into."))
        return redirect("project-class", project.slug, index)
    target = form.cleaned_data["into"]
    labels = labels_by_class(project)
    touched = touched_by(source, labels)
    context = {
        "source": source,
        "target": target,
        "labels": count(touched.labels, "label"),
        "labels_of_target": count(labels.get(target.index, 0), "label"),
        "versions": touched.versions and count(touched.versions, "model version"),
        "private": ledger.is_private(project),
    }
    return render_page(request, membership, "project/class_merge.html", context, section=SECTION)


@changes_classes
def merge(request: HttpRequest, membership: Membership, index: int) -> HttpResponse | str:
    """Merge a class into another."""
    source = get_object_or_404(membership.project.classes, index=index)
    form = MergeForm(request.POST, project=membership.project, label_class=source)
    if not form.is_valid():
        messages.error(request, gettext("Choose the class to merge it into."))
        return redirect("project-class", membership.project.slug, index)
    into = form.cleaned_data["into"]
    classes.merge(project=membership.project, user=membership.user, index=index, into=into.index)
    text = gettext("“%(name)s” is now part of “%(into)s”. Its labels follow in the background.")
    return text % {"name": source.name, "into": into.name}


@for_members(reading=Ability.SETTINGS_CHANGE)
def split_preview(request: HttpRequest, membership: Membership, index: int) -> HttpResponse:
    """Show the consequences of a split before it is made."""
    project = membership.project
    source = get_object_or_404(project.classes.offered(), index=index)
    form = SplitForm(request.GET)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["into"])))
        return redirect("project-class", project.slug, index)
    into = form.cleaned_data["into"]
    known = set(project.classes.offered().filter(name__in=into).values_list("name", flat=True))
    touched = touched_by(source, labels_by_class(project))
    context = {
        "source": source,
        "into": into,
        "text": "\n".join(into),
        "added": [name for name in into if name not in known],
        "labels": count(touched.labels, "label"),
        "versions": touched.versions and count(touched.versions, "model version"),
        "private": ledger.is_private(project),
    }
    return render_page(request, membership, "project/class_split.html", context, section=SECTION)


@changes_classes
def split(request: HttpRequest, membership: Membership, index: int) -> HttpResponse | str:
    """Replace a class by several classes."""
    source = get_object_or_404(membership.project.classes, index=index)
    form = SplitForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["into"])))
        return redirect("project-class", membership.project.slug, index)
    classes.split(project=membership.project, user=membership.user, index=index, into=form.cleaned_data["into"])
    text = gettext("“%(name)s” is split. Its labels are removed in the background, and its items are asked again.")
    return text % {"name": source.name}


@changes_classes
def archive(request: HttpRequest, membership: Membership, index: int) -> str:
    """Archive a class, or offer an archived class again."""
    each = get_object_or_404(membership.project.classes, index=index)
    change, text = classes.restore, gettext("“%(name)s” is offered again.")
    if each.archived_at is None:
        change, text = classes.archive, gettext("“%(name)s” is archived: annotators can no longer choose it.")
    change(project=membership.project, user=membership.user, index=index)
    return text % {"name": isolated(each.name)}


@changes_classes
def undo(request: HttpRequest, membership: Membership) -> str:
    """Undo the newest change to the classes."""
    revision = number_in(request.POST.get("revision", ""))
    change = ClassChange.objects.filter(project=membership.project, revision=revision).first()
    classes.undo(project=membership.project, user=membership.user, revision=revision)
    return gettext("Undone: %(text)s.") % {"text": change.text} if change else ""
