"""Endpoints that archive, copy, delete, restore and transfer projects."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.projects.members import NO_MEMBER, MemberSerializer
from labeling.api.projects.views import ProjectSerializer
from labeling.api.shared.endpoints import SIGNED_IN, Endpoint, ProjectView, find_or_404
from labeling.api.shared.errors import refusals_as_conflicts
from labeling.api.shared.fields import StrictBoolean, StrictChoice, StrictText, read_body
from labeling.insight.affected import contents_of
from labeling.models import Ability, Membership, Project, Role, User
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.models.roles import either, roles_without
from labeling.projects import lifecycle
from labeling.projects.classes.guidelines import missing_images
from labeling.projects.create import slug_for
from labeling.projects.duplicating import duplicate
from labeling.projects.people import access
from labeling.projects.people.members import transfer


class ProjectContents(serializers.Serializer[Any]):
    """The contents of a project, which a deletion would remove."""

    items = serializers.IntegerField()
    labels = serializers.IntegerField(help_text="Items that have a label.")
    annotations = serializers.IntegerField()
    models = serializers.IntegerField(help_text="Model versions.")
    members = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of its files: media, uploads that wait, matrices and models.")


class DeletionRequest(serializers.Serializer[Any]):
    name = StrictText(max_length=200, help_text="The project's name, to confirm that it is this one.")


class DeletedProject(serializers.Serializer[Any]):
    """A deleted project that its managers can restore."""

    slug = serializers.CharField()
    name = serializers.CharField()
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField(source="deleted_by.username", allow_null=True, default=None)
    removed_after = serializers.SerializerMethodField(help_text="Until then it can be restored.")

    def get_removed_after(self, project: Any) -> str:
        return serializers.DateTimeField().to_representation(project.deleted_at + lifecycle.KEPT) or ""


class RestoreRequest(serializers.Serializer[Any]):
    slug = StrictText(max_length=MAX_SLUG, help_text="Of the deleted project.")


class CopyRequest(serializers.Serializer[Any]):
    slug = StrictText(max_length=MAX_SLUG, validators=[slug_validator], help_text="Of the copy.")
    name = StrictText(max_length=200, help_text="Of the copy.")
    members = StrictBoolean(default=False, help_text="Whether its members come along, with their pauses and limits.")
    items = StrictBoolean(default=False, help_text="Whether the worker copies its items: see the copy's `imports/`.")
    labels = StrictBoolean(default=False, help_text="Whether labels come along, as imported ones. Needs `items`.")


class CopiedProject(ProjectSerializer):
    """A copy of a project, and what it lacks."""

    missing_images = serializers.SerializerMethodField(
        help_text="Names of images that the guidelines show, and that neither the copy nor the original has."
    )

    class Meta(ProjectSerializer.Meta):
        fields = (*ProjectSerializer.Meta.fields, "missing_images")

    def get_missing_images(self, project: Project) -> list[str]:
        return missing_images(project, project.guidelines)


class TransferRequest(serializers.Serializer[Any]):
    username = StrictText(max_length=150, help_text="The member who becomes manager.")
    role = StrictChoice(
        choices=Role.choices,
        help_text=f"What the caller becomes: {either(roles_without(Ability.MEMBERS_CHANGE))}.",
    )


class _Lifecycle(ProjectView):
    """Base of the endpoints of a whole project."""

    subject = "Projects"
    in_archived = True

    def shown(self) -> Response:
        self.project.refresh_from_db(fields=["archived_at"])
        return Response(ProjectSerializer(self.project, context={"membership_in": self.membership_in}).data)


class ProjectArchive(_Lifecycle):
    """The endpoint that archives and reopens a project."""

    changing = Ability.PROJECT_CHANGE

    @extend_schema(request=None, responses=ProjectSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Archive the project. Members can read and export it; all changes answer 403 until it is reopened."""
        lifecycle.archive(project=self.project)
        return self.shown()

    @extend_schema(responses={200: ProjectSerializer})
    def delete(self, request: Request, slug: str) -> Response:
        """Reopen an archived project."""
        lifecycle.unarchive(project=self.project)
        return self.shown()


class ProjectDeletion(_Lifecycle):
    """The endpoint that previews and starts the deletion of a project."""

    reading = Ability.SETTINGS_READ
    changing = Ability.PROJECT_CHANGE

    @extend_schema(responses=ProjectContents)
    def get(self, request: Request, slug: str) -> Response:
        """Count what a deletion would remove: items, labels, annotations, model versions, members and bytes."""
        return Response(ProjectContents(contents_of(self.project)).data)

    @extend_schema(request=DeletionRequest, responses=DeletedProject)
    def post(self, request: Request, slug: str) -> Response:
        """Delete the project for all members at once. Send its name to confirm. Its managers can restore it for 30
        days.
        """
        name = read_body(DeletionRequest, request.data)["name"]
        with refusals_as_conflicts():
            lifecycle.delete(project=self.project, user=self.user, name=name)
        self.project.refresh_from_db(fields=["deleted_at", "deleted_by"])
        return Response(DeletedProject(self.project).data)


class ProjectCopy(_Lifecycle):
    """Copy settings, guidelines and classes to a new project and make the caller its manager.

    On request, the members are copied too, and the worker copies items and labels.
    """

    changing = Ability.PROJECT_CHANGE

    @extend_schema(request=CopyRequest, responses={201: CopiedProject})
    def post(self, request: Request, slug: str) -> Response:
        values = read_body(CopyRequest, request.data)
        values["slug"] = slug_for(self.user, values["slug"])
        with refusals_as_conflicts():
            made = duplicate(project=self.project, user=self.user, **values)
        membership = Membership(project=made, user=self.user, role=Role.MANAGER)
        data = CopiedProject(made, context={"membership_in": lambda project: membership}).data
        return Response(data, status=status.HTTP_201_CREATED)


class ProjectTransfer(ProjectView):
    """Make another member the manager and step down, in one transaction. The response is the new manager."""

    subject = "Projects"
    changing = Ability.MEMBERS_CHANGE

    @extend_schema(request=TransferRequest, responses=MemberSerializer)
    def post(self, request: Request, slug: str) -> Response:
        values = read_body(TransferRequest, request.data)
        members = self.project.memberships.select_related("user")
        successor = find_or_404(members, NO_MEMBER, user__username=values["username"])
        with refusals_as_conflicts():
            transfer(project=self.project, user=self.user, successor=successor.user, role=values["role"])
        successor.refresh_from_db(fields=["role"])
        return Response(MemberSerializer(successor).data)


class DeletedProjects(Endpoint):
    """List the deleted projects that the caller can restore, the latest first."""

    subject = "Projects"
    who = {"GET": SIGNED_IN, "POST": "managers of the deleted project"}
    missing = "You cannot restore a project with this slug."

    @extend_schema(responses=DeletedProject(many=True))
    def get(self, request: Request) -> Response:
        return Response(DeletedProject(self._restorable(request), many=True).data)

    @extend_schema(request=RestoreRequest, responses=ProjectSerializer)
    def post(self, request: Request) -> Response:
        """Restore a project that was deleted less than 30 days ago."""
        slug = read_body(RestoreRequest, request.data)["slug"]
        project = next((each for each in self._restorable(request) if each.slug == slug), None)
        if project is None:
            raise Http404(self.missing)
        with refusals_as_conflicts():
            lifecycle.restore(project=project)
        membership = access.membership_of(request.user, slug)
        return Response(ProjectSerializer(project, context={"membership_in": lambda project: membership}).data)

    def _restorable(self, request: Request) -> list[Any]:
        return lifecycle.restorable(request.user) if isinstance(request.user, User) else []
