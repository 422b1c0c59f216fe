"""Views that show the classes that annotators proposed, and that accept or dismiss them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from labeling import kinds
from labeling.models import Ability, Membership, Project
from labeling.models.classes import folded
from labeling.projects.classes import proposals
from labeling.projects.classes.common import ClassError
from labeling.projects.people.invisible import isolated
from labeling.web.classes.forms import ProposalForm
from labeling.web.shared.pages import action
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
def accept(request: HttpRequest, membership: Membership) -> str:
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
def dismiss(request: HttpRequest, membership: Membership) -> str:
    """Dismiss a proposed class. Its items stay skipped."""
    key = request.POST.get("key", "").replace("\x00", "")
    n = proposals.dismiss(project=membership.project, user=membership.user, key=key)
    text = ngettext("Dismissed. %(n)s item stays skipped.", "Dismissed. %(n)s items stay skipped.", n)
    return text % {"n": number(n)}
