"""The home page: the user's projects, with the next thing to do in each."""

from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from labeling.loop import batches
from labeling.models import Ability, Batch, Project, User
from labeling.projects.people import access
from labeling.queue import rechecking
from labeling.web.members import of_account
from labeling.web.overview.situation import situation
from labeling.web.shared.pages import for_people


@for_people("GET", "HEAD")
def home(request: HttpRequest, user: User) -> HttpResponse:
    """List the user's projects, archived ones on request, and the invitations to the user's account.

    Takes five queries besides the session's, however many projects there are.
    """
    everything = access.projects_of(user, deleted=True)
    kept = [each for each in everything if each.project.deleted_at is None]
    with_archived = "archived" in request.GET
    memberships = [each for each in kept if with_archived or each.project.archived_at is None]
    current = _current_batches([each.project for each in memberships if each.can(Ability.PROJECT_READ)])
    annotating = [each.project.pk for each in memberships if not each.can(Ability.BATCHES_READ)]
    rechecking.show_remaining(current[pk] for pk in annotating if pk in current)
    cards = [
        {
            "project": membership.project,
            "role": membership.get_role_display(),
            "batch": batch,
            "done": batch.size - batch.remaining if batch else 0,
            "situation": situation(membership, batch, is_final=batch is not None and batch.is_final)
            if membership.can(Ability.PROJECT_READ)
            else "",
            "can_import": membership.can(Ability.ITEMS_CHANGE) and membership.project.archived_at is None,
        }
        for membership in memberships
        for batch in [current.get(membership.project.pk)]
    ]
    context = {
        "cards": cards,
        # A superuser is in every project.
        "invitations": [] if user.is_superuser else of_account(user),
        "may_create": access.may_create_projects(user),
        "n_archived": sum(each.project.archived_at is not None for each in kept),
        "with_archived": with_archived,
        "any_deleted": any(each.project.deleted_at and each.can(Ability.PROJECT_CHANGE) for each in everything),
    }
    return render(request, "home.html", context)


def _current_batches(projects: list[Project]) -> dict[int, Any]:
    """Return the current batch of each project, by the project's key, with `is_final`: whether no batch follows it."""
    current = Batch.objects.filter(project=OuterRef("pk")).shown_first().values("pk")[:1]
    keys = Project.objects.filter(pk__in=[project.pk for project in projects]).values(current=Subquery(current))
    is_final = Exists(batches.final().filter(pk=OuterRef("pk")))
    return {batch.project_id: batch for batch in Batch.objects.filter(pk__in=keys).annotate(is_final=is_final)}
