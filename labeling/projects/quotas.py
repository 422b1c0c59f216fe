"""The limits on projects: of one person, and of the whole server. Commands ignore both limits."""

from __future__ import annotations

from django.conf import settings

from labeling.models import Project, User
from labeling.projects import access


class TooManyProjects(Exception):
    """The limit on projects is reached; the message names the limit, and what to do."""


def check(user: User) -> None:
    """Raise `TooManyProjects` if `user` cannot create another project. Call in the transaction that creates it.

    Deleted projects count until they are erased. Two people who create projects at the same time may exceed the
    server's limit by one.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # a person creates one project at a time
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
