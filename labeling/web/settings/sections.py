"""The pages of settings that a project has, with their addresses."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext_noop

from labeling.models import Project
from labeling.projects.settings import SECTIONS, Section, differs

OTHERS = (("project-learner", gettext_noop("Model")), ("project-encoder", gettext_noop("Encoder")))
"""The pages of settings with a form of their own: the name of the address, and the title."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of settings as the index links to it. `changed`: how many of its settings are not the defaults."""

    title: str
    url: str
    changed: int = 0
    for_experts: bool = False


def sections_of(project: Project) -> list[Section]:
    """Return the pages of which the project has a field."""
    return [each for each in SECTIONS if each.trainer or any(setting.offered(project) for setting in each.settings)]


def url_of(project: Project, section: Section) -> str:
    """Return the address of a page of settings."""
    if section == SECTIONS[0]:
        return reverse("project-settings", args=[project.slug])
    return reverse("project-settings-page", args=[project.slug, section.name])


def changed_in(project: Project, section: Section) -> list[str]:
    """Return the names of the fields whose saved value is not the default."""
    settings = [each.name for each in section.settings if each.offered(project) and differs(project, each.name)]
    return settings + [name for name in section.trainer if name in project.training]


def index_of(project: Project) -> list[Page]:
    """Return all pages of settings, those for experts last."""
    pages = [
        Page(each.title, url_of(project, each), len(changed_in(project, each)), bool(each.trainer))
        for each in sections_of(project)
    ]
    others = [Page(title, reverse(name, args=[project.slug])) for name, title in OTHERS]
    return sorted([*pages, *others], key=lambda page: page.for_experts)
