"""Endpoints that archive, copy, delete, restore and transfer projects."""

from typing import Any

from django.http import Http404
from rest_framework import serializers

from labeling.api.projects.members import NO_MEMBER, MemberSerializer
from labeling.api.projects.views import ProjectSerializer
from labeling.api.shared import fields
from labeling.api.shared.endpoints import SIGNED_IN, Endpoint, ProjectView, answers, find_or_404
from labeling.api.shared.errors import refusals_as_conflicts
from labeling.insight.affected import Contents, contents_of
from labeling.models import Ability, Membership, Project, Role
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.models.roles import either, roles_without
from labeling.projects import lifecycle
from labeling.projects.classes.guidelines import missing_images
from labeling.projects.create import slug_for
from labeling.projects.duplicating import duplicate
from labeling.projects.people import access
from labeling.projects.people.members import transfer


class DeletionRequest(fields.Shape):
    name = fields.Text("The project's name, to confirm that it is this one.", max_length=200)


class DeletedProject(fields.Shape):
    """A deleted project that its managers can restore."""

    slug = fields.Text()
    name = fields.Text()
    deleted_at = fields.Time()
    deleted_by = fields.Text(source="deleted_by.username", allow_null=True, default=None)
    removed_after = fields.Computed("Until then it can be restored.")

    def get_removed_after(self, project: Any) -> str:
        return serializers.DateTimeField().to_representation(project.deleted_at + lifecycle.KEPT) or ""


class RestoreRequest(fields.Shape):
    slug = fields.Text("Of the deleted project.", max_length=MAX_SLUG)


class CopyRequest(fields.Shape):
    slug = fields.Text("Of the copy.", max_length=MAX_SLUG, validators=[slug_validator])
    name = fields.Text("Of the copy.", max_length=200)
    members = fields.Boolean("Whether its members come along, with their pauses and limits.", default=False)
    items = fields.Boolean("Whether the worker copies its items: see the copy's `imports/`.", default=False)
    labels = fields.Boolean("Whether labels come along, as imported ones. Needs `items`.", default=False)


class CopiedProject(ProjectSerializer):
    """A copy of a project, and what it lacks."""

    missing_images = fields.Computed(
        "Names of images that the guidelines show, and that neither the copy nor the original has."
    )

    class Meta(ProjectSerializer.Meta):
        fields = (*ProjectSerializer.Meta.fields, "missing_images")

    def get_missing_images(self, project: Project) -> list[str]:
        return missing_images(project, project.guidelines)


class TransferRequest(fields.Shape):
    username = fields.Text("The member who becomes manager.", max_length=150)
    role = fields.Choice(Role.choices, f"What the caller becomes: {either(roles_without(Ability.MEMBERS_CHANGE))}.")


class ProjectArchive(ProjectView):
    in_archived = True

    @answers(ProjectSerializer, needs=Ability.PROJECT_CHANGE)
    def post(self) -> Project:
        """Archive the project. Members can read and export it; all changes answer 403 until it is reopened."""
        lifecycle.archive(project=self.project)
        return Project.objects.get(pk=self.project.pk)

    @answers(ProjectSerializer, needs=Ability.PROJECT_CHANGE)
    def delete(self) -> Project:
        """Reopen an archived project."""
        lifecycle.unarchive(project=self.project)
        return Project.objects.get(pk=self.project.pk)


class ProjectDeletion(ProjectView):
    in_archived = True

    @answers(fields.shape_of(Contents, "ProjectContents"), needs=Ability.SETTINGS_READ)
    def get(self) -> Contents:
        """Count what a deletion would remove: items, labels, annotations, model versions, members and bytes."""
        return contents_of(self.project)

    @answers(DeletedProject, needs=Ability.PROJECT_CHANGE, takes=DeletionRequest)
    def post(self) -> Project:
        """Delete the project for all members at once. Send its name to confirm. Its managers can restore it for 30
        days.
        """
        with refusals_as_conflicts():
            lifecycle.delete(project=self.project, user=self.user, name=self.body["name"])
        self.project.refresh_from_db(fields=["deleted_at", "deleted_by"])
        return self.project


class ProjectCopy(ProjectView):
    """Copy settings, guidelines and classes to a new project and make the caller its manager.

    On request, the members are copied too, and the worker copies items and labels.
    """

    in_archived = True

    def context_of(self, result: Any) -> dict[str, Any]:
        return {"membership_in": lambda made: Membership(project=made, user=self.user, role=Role.MANAGER)}

    @answers(CopiedProject, 201, needs=Ability.PROJECT_CHANGE, takes=CopyRequest)
    def post(self) -> Project:
        values = {**self.body, "slug": slug_for(self.user, self.body["slug"])}
        with refusals_as_conflicts():
            return duplicate(project=self.project, user=self.user, **values)


class ProjectTransfer(ProjectView):
    """Make another member the manager and step down, in one transaction. The response is the new manager."""

    @answers(MemberSerializer, needs=Ability.MEMBERS_CHANGE, takes=TransferRequest)
    def post(self) -> Membership:
        values = self.body
        members = self.project.memberships.select_related("user")
        successor = find_or_404(members, NO_MEMBER, user__username=values["username"])
        with refusals_as_conflicts():
            transfer(project=self.project, user=self.user, successor=successor.user, role=values["role"])
        successor.refresh_from_db(fields=["role"])
        return successor


class DeletedProjects(Endpoint):
    """List the deleted projects that the caller can restore, the latest first."""

    who = {"GET": SIGNED_IN, "POST": "managers of the deleted project"}
    missing = "You cannot restore a project with this slug."

    def context_of(self, result: Any) -> dict[str, Any]:
        return {"membership_in": lambda project: access.membership_of(self.user, project.slug)}

    @answers(DeletedProject, many=True)
    def get(self) -> list[Project]:
        return lifecycle.restorable(self.user)

    @answers(ProjectSerializer, takes=RestoreRequest)
    def post(self) -> Project:
        """Restore a project that was deleted less than 30 days ago."""
        slug = self.body["slug"]
        project = next((each for each in lifecycle.restorable(self.user) if each.slug == slug), None)
        if project is None:
            raise Http404(self.missing)
        with refusals_as_conflicts():
            lifecycle.restore(project=project)
        return project
