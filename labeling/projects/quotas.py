"""How many projects a person may make, and how many there may be on the server. Commands are free of both."""

from __future__ import annotations

from django.conf import settings

from labeling.models import Project, User
from labeling.projects import access


class TooManyProjects(Exception):
    """No further project can be made; the message says why, and what to do."""


def check(user: User) -> None:
    """Raise `TooManyProjects` if `user` cannot make another project. Call in the transaction that makes it.

    Deleted projects count until they are removed: their rows and files are there. Two people who make a project at the
    same moment may both get the server's last one.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # one project of a person at a time
    limit = settings.MAX_PROJECTS_PER_PERSON
    if not access.is_operator(user) and Project.objects.filter(created_by=user).count() >= limit:
        raise TooManyProjects(
            f"You have made {limit:,} projects, the limit for one person on this server. Deleted projects count for 30 "
            "days. Ask the person who runs this server for more."
        )
    if Project.objects.count() >= settings.MAX_PROJECTS:
        raise TooManyProjects(
            "This server takes no more projects. Ask the person who runs it to raise MAX_PROJECTS, or to delete some."
        )
