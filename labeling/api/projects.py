"""Projects, their settings and their members."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, batches, projects
from labeling.api.base import ProjectView
from labeling.api.fields import Body, Price, StrictText
from labeling.models import Membership, Project, Role, User
from labeling.models.projects import MAX_CLASSES, slug_validator
from labeling.pipeline.training_settings import check_training
from labeling.projects import SETTINGS, TEXTS

MAX_COST = 9_999_999.99


class ProjectSerializer(Body):
    slug = StrictText(max_length=60, validators=[slug_validator])
    classes = serializers.ListField(child=StrictText(max_length=200), write_only=True, max_length=MAX_CLASSES)
    hourly_cost = Price(min_value=0, max_value=MAX_COST, allow_null=True, required=False)

    class Meta:
        model = Project
        fields = ("slug", "kind", "question", "classes", *TEXTS, *SETTINGS, "created_at")
        extra_kwargs = {"name": {"required": False}}

    def validate_slug(self, slug: str) -> str:
        if Project.objects.filter(slug=slug).exists():
            raise serializers.ValidationError("This slug is taken.")
        return slug

    def validate_training(self, training: Any) -> dict[str, Any]:
        return check_training(training)

    def to_representation(self, project: Project) -> dict[str, Any]:
        shown = super().to_representation(project)
        shown["classes"] = [c.name for c in project.classes.all()]
        return shown


class ProjectChangeSerializer(ProjectSerializer):
    """What can change once items are labeled: not what is asked about what."""

    classes = None  # type: ignore[assignment]

    class Meta(ProjectSerializer.Meta):
        fields = ("slug", "kind", "question", *TEXTS, *SETTINGS, "created_at")  # type: ignore[assignment]
        read_only_fields = ("slug", "kind", "question")


class ProjectList(generics.ListCreateAPIView[Project]):
    """The caller's projects; staff and managers may create new ones."""

    serializer_class = ProjectSerializer

    def get_queryset(self) -> QuerySet[Project]:
        user = self.request.user
        every = Project.objects.prefetch_related("classes")
        if not isinstance(user, User):
            return every.none()
        return every if user.is_superuser else every.filter(pk__in=Project.objects.visible_to(user).values("pk"))

    def perform_create(self, serializer: serializers.BaseSerializer[Project]) -> None:
        user = self.request.user
        if not isinstance(user, User) or not access.may_create_projects(user):
            raise PermissionDenied("Only staff and managers of a project may create projects.")
        values = dict(serializer.validated_data)
        serializer.instance = projects.create_project(
            slug=values.pop("slug"),
            kind=values.pop("kind"),
            classes=values.pop("classes"),
            manager=user,
            settings=values,
        )


class ProjectDetail(ProjectView):
    """One project with its settings; they hold from the next batch on."""

    needs = {"PATCH": access.MANAGE}

    @extend_schema(responses=ProjectSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(ProjectSerializer(self.project).data)

    @extend_schema(request=ProjectChangeSerializer(partial=True), responses=ProjectSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        serializer = ProjectChangeSerializer(self.project, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        change = dict(serializer.validated_data)
        loop = change.pop("loop", None)
        with transaction.atomic():
            for name, value in change.items():
                setattr(self.project, name, value)
            if change:
                self.project.save(update_fields=list(change))
            if loop is not None:
                batches.set_loop(project=self.project, loop=loop)
        return Response(ProjectSerializer(self.project).data)


class MemberSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150, source="user.username")
    role = serializers.ChoiceField(choices=Role.choices)


class MemberList(ProjectView):
    """Who is in the project. Managers add people who have an account, and change roles."""

    needs = {"GET": access.MANAGE, "POST": access.MANAGE}

    @extend_schema(responses=MemberSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        members = Membership.objects.filter(project=self.project).select_related("user").order_by("user__username")
        return Response(MemberSerializer(members, many=True).data)

    @extend_schema(request=MemberSerializer, responses={201: MemberSerializer})
    def post(self, request: Request, slug: str) -> Response:
        serializer = MemberSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        username = serializer.validated_data["user"]["username"]
        user = User.objects.filter(username=username).first()
        if user is None:
            raise serializers.ValidationError({"username": f"There is no user called {username!r}."})
        membership = projects.set_role(project=self.project, user=user, role=serializer.validated_data["role"])
        return Response(MemberSerializer(membership).data, status=status.HTTP_201_CREATED)


class MemberDetail(ProjectView):
    """One member, to be removed. What he answered stays."""

    needs = {"DELETE": access.MANAGE}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, username: str) -> Response:
        user = generics.get_object_or_404(User, username=username)
        if not projects.remove_member(project=self.project, user=user):
            return Response({"code": "not_found", "detail": f"{username} is not a member."}, status=404)
        return Response(status=status.HTTP_204_NO_CONTENT)
