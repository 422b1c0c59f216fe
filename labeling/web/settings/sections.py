"""The pages of settings that a project has, with their addresses."""

from django.urls import reverse

from labeling.models import Project
from labeling.projects.settings import SECTIONS, Section


def sections_of(project: Project) -> list[Section]:
    """Return the pages of which the project has a field."""
    return [each for each in SECTIONS if each.trainer or any(setting.offered(project) for setting in each.settings)]


def url_of(project: Project, section: Section) -> str:
    """Return the address of a page of settings."""
    if section == SECTIONS[0]:
        return reverse("project-settings", args=[project.slug])
    return reverse("project-settings-page", args=[project.slug, section.name])
