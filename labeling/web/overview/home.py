"""The first page after signing in: one's projects, and what to do next in each."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.models import Batch, Project, User
from labeling.projects import access
from labeling.web.overview.situation import Situation, situation


@dataclass(frozen=True, slots=True)
class Card:
    project: Project
    role: str
    batch: Batch | None
    situation: Situation

    may_import: bool

    @property
    def done(self) -> int:
        return self.batch.size - self.batch.remaining if self.batch else 0


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The user's projects. Four queries beside those of the session, however many there are."""
    assert isinstance(request.user, User)
    memberships = access.projects_of(request.user)
    newest = _newest_batches([membership.project for membership in memberships])
    cards = [
        Card(
            project=membership.project,
            role=membership.role,
            batch=newest.get(membership.project.pk),
            situation=situation(membership, newest.get(membership.project.pk)),
            may_import=membership.may_manage,
        )
        for membership in memberships
    ]
    return render(request, "home.html", {"cards": cards, "may_create": access.may_create_projects(request.user)})


def _newest_batches(projects: list[Project]) -> dict[int, Batch]:
    """The newest batch of each project, by the project's key: the active one, if one is."""
    newest = Batch.objects.filter(project=OuterRef("pk")).order_by("-number").values("pk")[:1]
    keys = Project.objects.filter(pk__in=[project.pk for project in projects]).values(newest=Subquery(newest))
    return {batch.project_id: batch for batch in Batch.objects.filter(pk__in=keys)}
