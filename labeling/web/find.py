"""The places of a project that match a few words, each of which the member may open."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from labeling.models import Ability, Membership
from labeling.web.settings.forms import label_of, sections_of, url_of
from labeling.web.shared.pages import PLACES, for_members, may_open

MOST = 12
"""The most places in one answer."""
MOST_PEOPLE = 5
LONGEST = 100
"""The most characters that are searched for."""


@dataclass(frozen=True, slots=True)
class Found:
    """A place with its name, and with the name of the place that it is in."""

    title: str
    within: str
    url: str


@for_members(reading=Ability.PROJECT_READ)
def find(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Return the places that match the words, as options of a list; without words, the pages."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    found = _ranked([*_pages(membership), *(_settings(membership) if text else ())], text)[:MOST]
    if text:
        found = [*_batch(membership, text), *found, *_people(membership, text), *_items(membership, text)]
    return render(request, "project/found.html", {"found": found})


def _ranked(places: list[Found], text: str) -> list[Found]:
    """Return the places with all words of the text in their names or groups, at least one word in the name. Names that
    begin with the text come first.
    """
    begins = text.casefold()
    words = begins.split()
    fitting = [
        each
        for each in places
        if all(word in f"{each.title} {each.within}".casefold() for word in words)
        and (not words or any(word in each.title.casefold() for word in words))
    ]
    return sorted(
        fitting, key=lambda each: (not each.title.casefold().startswith(begins), begins not in each.title.casefold())
    )


def _pages(membership: Membership) -> Iterator[Found]:
    slug = membership.project.slug
    if membership.can(Ability.TASKS_ANSWER) and not membership.project.archived_at:
        yield Found(gettext("Label"), "", reverse("label", args=[slug]))
    for title, pages in PLACES:
        for page in pages:
            if may_open(membership, page):
                yield Found(gettext(page.title), gettext(title), reverse(page.name, args=[slug]))


def _settings(membership: Membership) -> Iterator[Found]:
    project, within = membership.project, gettext("Settings")
    if not membership.can(Ability.SETTINGS_READ):
        return
    yield Found(gettext("Model"), within, reverse("project-learner", args=[project.slug]))
    yield Found(gettext("Encoder"), within, reverse("project-encoder", args=[project.slug]))
    for section in sections_of(project):
        title, url = gettext(section.title), url_of(project, section)
        yield Found(title, within, url)
        for setting in section.settings:
            if setting.offered(project):
                yield Found(gettext(setting.label), title, f"{url}#id_{setting.name}")
        for name in section.trainer:
            yield Found(label_of(name), title, f"{url}#id_training-{name}")


def _batch(membership: Membership, text: str) -> Iterator[Found]:
    """Yield the batch with the number that the text ends with: "12", "batch 12"."""
    number = text.split()[-1]
    if number.isdecimal() and membership.project.batches.filter(number=min(int(number), 2**31 - 1)).exists():
        title = gettext("Batch %(number)s") % {"number": int(number)}
        url = reverse("project-batch", args=[membership.project.slug, int(number)])
        yield Found(title, gettext("Batches"), url)


def _people(membership: Membership, text: str) -> Iterator[Found]:
    if membership.can(Ability.MEMBERS_READ):
        people = membership.project.memberships.filter(user__username__icontains=text).order_by("user__username")
        for name in people.values_list("user__username", flat=True)[:MOST_PEOPLE]:
            yield Found(name, gettext("Members"), reverse("project-members", args=[membership.project.slug]))


def _items(membership: Membership, text: str) -> Iterator[Found]:
    if membership.can(Ability.ITEMS_READ):
        url = reverse("project-items", args=[membership.project.slug])
        yield Found(
            gettext("Items with “%(text)s”") % {"text": text}, gettext("Items"), f"{url}?{urlencode({'q': text})}"
        )
