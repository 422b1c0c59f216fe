"""Endpoints for projects and their settings."""

import dataclasses
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from labeling.api.shared import fields
from labeling.api.shared.endpoints import SIGNED_IN, Endpoint, ProjectView, answers
from labeling.api.shared.errors import Conflict
from labeling.api.shared.visible import VisibleToMember
from labeling.loop import batches
from labeling.models import Ability, Project
from labeling.models.project_settings import MAX_CLASSES
from labeling.models.projects import MAX_SLUG, slug_validator
from labeling.projects.classes import guidelines
from labeling.projects.classes.proposals import check_setting
from labeling.projects.create import check_project_model, create_project, name_for, slug_for
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.projects.model_settings import check_training
from labeling.projects.people import access
from labeling.projects.settings import SETTINGS, TEXTS, recording_changes
from models_store.config import TrainConfig

MAX_COST = 9_999_999.99


CLASSES = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 200},
    "minItems": 2,
    "maxItems": MAX_CLASSES,
    "uniqueItems": True,
    "description": "The classes that are offered, in their order. No two are alike.",
}


@extend_schema_field(CLASSES)
class ClassNames(serializers.ListField):
    """A project's class names in their order; `check_classes` validates the list as a whole."""

    child = fields.Text(max_length=200)

    def to_representation(self, classes: Any) -> list[str]:
        offered = [each for each in classes.all() if each.archived_at is None]
        return [each.name for each in sorted(offered, key=lambda each: (each.position, each.index))]


def _training_schema() -> dict[str, Any]:
    """Return the schema of the training settings, made from the fields of `TrainConfig`."""
    kinds = {bool: "boolean", int: "integer", str: "string"}
    properties: dict[str, Any] = {}
    for field in dataclasses.fields(TrainConfig):
        kind = kinds.get(field.type, "number")  # type: ignore[arg-type]  # a type, for annotations are not put off there
        properties[field.name] = {"type": kind, "default": field.default, "description": field.metadata["meaning"]}
        if kind == "string":
            properties[field.name]["enum"] = list(field.metadata["choices"])
        elif kind != "boolean":
            properties[field.name] |= {"minimum": field.metadata["low"], "maximum": field.metadata["high"]}
        if field.metadata["optional"]:
            properties[field.name]["nullable"] = True
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "Overrides of the training settings; what is left out keeps its default.",
    }


@extend_schema_field(_training_schema())
class Training(serializers.JSONField):
    """The project's changes to the training settings."""

    def to_internal_value(self, data: Any) -> Any:
        return check_training(data)


@extend_schema_field(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "options": {"type": "object"}},
        "additionalProperties": False,
        "description": "What learns from the labels: `network`, `scikit-learn` with the options `classifier` and "
        "`parameters`, or what else is installed. Empty: the network.",
    }
)
class LearnerChoice(serializers.JSONField):
    """The project's model; `check_project_model` validates the choice."""


class ProjectSerializer(VisibleToMember, fields.Body):
    """A project with its settings."""

    resource = "Project"

    slug = fields.Text("Its short name in addresses.", max_length=MAX_SLUG, validators=[slug_validator])
    classes = ClassNames(max_length=MAX_CLASSES)
    training = Training(required=False)
    model = LearnerChoice(required=False)
    hourly_cost = fields.Price(
        "What an hour of labeling costs.", min_value=0, max_value=MAX_COST, allow_null=True, required=False
    )

    class Meta:
        model = Project
        fields = (
            "slug",
            "kind",
            "question",
            "classes",
            *TEXTS,
            *SETTINGS,
            "guidelines_version",
            "created_at",
            "archived_at",
        )
        extra_kwargs = {
            "name": {"required": False, "help_text": "Its name on pages; from the slug if left out."},
            "candidate_factor": {
                "help_text": "A batch is drawn from the least certain items, this many times its size; null: from "
                "as many as needed to take each item from a different cluster, at most ten times its size."
            },
            "strategy": {
                "help_text": "How batches after the first are picked: `docs/explanation/selection.md` says which "
                "strategy is good for what. Only `uniform` gives a fair sample."
            },
        }


class ProjectChangeSerializer(ProjectSerializer):
    """The settings of an existing project; slug, kind, question and classes are read-only."""

    class Meta(ProjectSerializer.Meta):
        read_only_fields = ("slug", "kind", "question", "classes")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for name in self.Meta.read_only_fields:  # `read_only_fields` has no effect on declared fields
            fields[name].read_only = True
        return fields


class ProjectList(Endpoint):
    """List the caller's projects."""

    who = {"GET": SIGNED_IN, "POST": "staff, and managers of any project"}

    def context_of(self, result: Any) -> dict[str, Any]:
        memberships = {each.project.pk: each for each in access.projects_of(self.user)}
        return {"membership_in": lambda project: memberships[project.pk]}

    @answers(ProjectSerializer, pages=True)
    def get(self) -> QuerySet[Project]:
        every, user = Project.objects.kept().prefetch_related("classes"), self.user
        return every if user.is_superuser else every.filter(pk__in=Project.objects.visible_to(user).values("pk"))

    @answers(ProjectSerializer, 201, takes=ProjectSerializer)
    def post(self) -> Project:
        """Create a project and make the caller its manager. Staff get the requested slug, or 409 if it is taken. Other
        callers get the slug with a random ending, such as `owls-k7f3`.

        Respond with 409 at the maximum number of projects (`MAX_PROJECTS`, `MAX_PROJECTS_PER_PERSON`).
        """
        user = self.user
        if not access.may_create_projects(user):
            raise PermissionDenied("Only staff and managers of a project may create projects.")
        values = self.body
        asked, kind, classes = (values.pop(name) for name in ("slug", "kind", "classes"))
        slug = slug_for(user, asked)
        if Project.objects.filter(slug=slug).exists():
            raise Conflict("slug: This slug is already in use.")
        settings = {**values, "name": values.get("name") or name_for(asked), "encoder": default_choice(kind)}
        return create_project(slug=slug, kind=kind, classes=classes, manager=user, creator=user, settings=settings)


class ProjectDetail(ProjectView):
    """Return one project with its settings."""

    @answers(ProjectSerializer, needs=Ability.PROJECT_READ)
    def get(self) -> Project:
        return self.project

    @answers(ProjectSerializer, needs=Ability.SETTINGS_CHANGE, request=ProjectChangeSerializer(partial=True))
    def patch(self) -> Project:
        """Change settings. Lease, texts and loop settings apply at once, the others from the next batch on."""
        serializer = ProjectChangeSerializer(self.project, data=self.request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        change = dict(serializer.validated_data)
        loop = change.pop("loop", None)
        with recording_changes(self.project, [*change, *(["loop"] if loop is not None else [])]):
            if "guidelines" in change:
                guidelines.save(project=self.project, user=self.user, text=change.pop("guidelines"))
            for name, value in change.items():
                setattr(self.project, name, value)
            check_project_model(self.project)
            check_setting(self.project)
            if change:
                self.project.save(update_fields=list(change))
            if loop is not None:
                batches.set_loop(project=self.project, loop=loop)
        return self.project
