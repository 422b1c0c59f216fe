"""Endpoints that list and change the classes of a project."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView, find_or_404
from labeling.api.shared.fields import MAX_INT, StrictInteger, StrictText, read_body
from labeling.models import Ability, ClassChange, Item, LabelClass
from labeling.models.classes import MAX_ALIASES, MAX_DESCRIPTION
from labeling.projects.classes import changing as classes
from labeling.projects.classes import examples
from labeling.questions.base import MAX_NAME

MOST_CHANGES = 100


class ProjectClass(serializers.Serializer[Any]):
    """A class. Its index never changes."""

    index = serializers.IntegerField()
    name = serializers.CharField()
    position = serializers.IntegerField(help_text="Its place among the classes, from 0.")
    description = serializers.CharField(help_text="When it applies: for annotators.")
    key = serializers.CharField(help_text="The digit key that chooses it; empty for none.")
    colour = serializers.CharField(help_text="The colour of its mark, such as #3366cc; empty for none.")
    aliases = serializers.ListField(child=serializers.CharField(), help_text="Other words that find it.")
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        source="parent.index", allow_null=True, default=None, help_text="Index of the class that it is a kind of."
    )
    archived_at = serializers.DateTimeField(
        allow_null=True, help_text="The time since which annotators cannot choose it."
    )
    examples = serializers.SerializerMethodField(help_text="Ids of the items that annotators see as its examples.")
    merged_into = serializers.SerializerMethodField(help_text="Index of the class that it has become; null if none.")

    def get_examples(self, label_class: LabelClass) -> list[int]:
        return [item.pk for item in self.context["examples"].get(label_class.index, [])]

    def get_merged_into(self, label_class: LabelClass) -> int | None:
        target: int | None = self.context["merges"].get(label_class.index)
        return target


class ClassDetails(serializers.Serializer[Any]):
    """The editable fields of a class. A missing field keeps its value."""

    name = StrictText(max_length=MAX_NAME, required=False)
    description = StrictText(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    key = StrictText(max_length=1, allow_blank=True, required=False)
    colour = StrictText(max_length=7, allow_blank=True, required=False)
    aliases = serializers.ListField(
        child=StrictText(max_length=MAX_NAME), max_length=MAX_ALIASES, required=False, help_text="All of them anew."
    )
    parent = StrictInteger(  # type: ignore[assignment]  # likewise
        min_value=0, max_value=MAX_INT, allow_null=True, required=False
    )


class NewClass(ClassDetails):
    """A class to add after the others."""

    name = StrictText(max_length=MAX_NAME)


class ClassEdit(ClassDetails):
    """The fields of a class to change."""

    position = StrictInteger(min_value=0, max_value=MAX_INT, required=False, help_text="Its new place, from 0.")


class MergeRequest(serializers.Serializer[Any]):
    into = StrictInteger(min_value=0, max_value=MAX_INT, help_text="Index of the class that it is to become.")


class SplitRequest(serializers.Serializer[Any]):
    into = serializers.ListField(
        child=StrictText(max_length=MAX_NAME),
        min_length=2,
        max_length=classes.MOST_PARTS,
        help_text="Names of the classes that it is to become. Those that are not there yet are added.",
    )


class UndoRequest(serializers.Serializer[Any]):
    revision = StrictInteger(min_value=1, max_value=MAX_INT, help_text="Of the newest change.")


class Change(serializers.Serializer[Any]):
    """A change to the classes."""

    revision = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=ClassChange.Kind.choices)
    text = serializers.CharField(help_text="What was changed, for people.")
    classes = serializers.ListField(child=serializers.IntegerField(), help_text="Indices of the classes it is about.")
    user = serializers.CharField(source="user.username", allow_null=True, default=None)
    created_at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)


class _Classes(ProjectView):
    """Base of the endpoints of the classes."""

    subject = "Classes"

    def shown(self, label_class: LabelClass, status_code: int = 200) -> Response:
        self.project.refresh_from_db(fields=["merged"])
        context = {"merges": self.project.merges, "examples": examples.examples_of(self.project, label_class)}
        return Response(ProjectClass(label_class, context=context).data, status=status_code)

    def find(self, index: int) -> LabelClass:
        label_class = self.project.classes.select_related("parent").filter(index=index).first()
        if label_class is None:
            raise Http404("This project has no class with this index.")
        return label_class

    def fields_of(self, details: dict[str, Any]) -> dict[str, Any]:
        """Return the details with the parent's `LabelClass` in place of its index."""
        if details.get("parent") is not None:
            details["parent"] = self.find(details["parent"])
        return details


class ClassList(_Classes):
    """List all classes in their order, archived ones included."""

    reading = Ability.PROJECT_READ
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses=ProjectClass(many=True))
    def get(self, request: Request, slug: str) -> Response:
        rows = self.project.classes.select_related("parent").order_by("position", "index")
        context = {"merges": self.project.merges, "examples": examples.examples_of(self.project)}
        return Response(ProjectClass(rows, many=True, context=context).data)

    @extend_schema(request=NewClass, responses={201: ProjectClass})
    def post(self, request: Request, slug: str) -> Response:
        """Add a class. The next training learns it."""
        details = self.fields_of(read_body(NewClass, request.data))
        return self.shown(classes.add(project=self.project, user=self.user, **details), status.HTTP_201_CREATED)


class ClassDetail(_Classes):
    """The endpoint of a single class."""

    reading = Ability.PROJECT_READ
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses=ProjectClass)
    def get(self, request: Request, slug: str, index: int) -> Response:
        """Return one class."""
        return self.shown(self.find(index))

    @extend_schema(request=ClassEdit, responses=ProjectClass)
    def patch(self, request: Request, slug: str, index: int) -> Response:
        """Rename, describe or move a class. Labels and models refer to the class by its index and do not change."""
        self.find(index)
        details = self.fields_of(read_body(ClassEdit, request.data))
        position = details.pop("position", None)
        if details:
            classes.edit(project=self.project, user=self.user, index=index, **details)
        if position is not None:
            classes.move(project=self.project, user=self.user, index=index, position=position)
        return self.shown(self.find(index))


class ClassMerge(_Classes):
    """Merge a class into another. A background job moves the labels; annotations keep their values."""

    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=MergeRequest, responses=ProjectClass)
    def post(self, request: Request, slug: str, index: int) -> Response:
        self.find(index)
        into = read_body(MergeRequest, request.data)["into"]
        classes.merge(project=self.project, user=self.user, index=index, into=into)
        return self.shown(self.find(index))


class ClassSplit(_Classes):
    """Split a class into several. A background job removes the labels of its items, and later batches ask the items
    again.

    The annotations stay. The response lists the new classes.
    """

    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=SplitRequest, responses=ProjectClass(many=True))
    def post(self, request: Request, slug: str, index: int) -> Response:
        self.find(index)
        into = read_body(SplitRequest, request.data)["into"]
        parts = classes.split(project=self.project, user=self.user, index=index, into=into)
        rows = self.project.classes.select_related("parent").filter(pk__in=[part.pk for part in parts])
        return Response(ProjectClass(rows.order_by("position"), many=True, context={"merges": {}, "examples": {}}).data)


class ClassArchive(_Classes):
    """The endpoint that archives and restores a class."""

    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=None, responses=ProjectClass)
    def post(self, request: Request, slug: str, index: int) -> Response:
        """Archive a class: annotators can no longer choose it. Its labels stay."""
        self.find(index)
        classes.archive(project=self.project, user=self.user, index=index)
        return self.shown(self.find(index))

    @extend_schema(responses={200: ProjectClass})
    def delete(self, request: Request, slug: str, index: int) -> Response:
        """Restore an archived class, so that annotators can choose it again."""
        self.find(index)
        classes.restore(project=self.project, user=self.user, index=index)
        return self.shown(self.find(index))


class ClassExampleDetail(_Classes):
    """The endpoint that adds and removes an example of a class."""

    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=None, responses=ProjectClass)
    def put(self, request: Request, slug: str, index: int, item_id: int) -> Response:
        """Show an item to annotators as an example of the class. A class has at most six examples.

        Respond with 409 for an item with another label, or one that annotators can still be asked about.
        """
        self.find(index)
        examples.choose(project=self.project, user=self.user, index=index, item=self._item(item_id))
        return self.shown(self.find(index))

    @extend_schema(responses={200: ProjectClass})
    def delete(self, request: Request, slug: str, index: int, item_id: int) -> Response:
        """Stop showing an item as an example of the class."""
        self.find(index)
        examples.remove_example(project=self.project, index=index, item=self._item(item_id))
        return self.shown(self.find(index))

    def _item(self, item_id: int) -> Item:
        return find_or_404(self.project.items.all(), "This project has no item with this id.", pk=item_id)


class ClassChanges(_Classes):
    """List the newest hundred changes to the classes, the newest first."""

    reading = Ability.LABELS_READ

    @extend_schema(responses=Change(many=True))
    def get(self, request: Request, slug: str) -> Response:
        changes = self.project.class_changes.select_related("user").order_by("-revision")[:MOST_CHANGES]
        return Response(Change(changes, many=True).data)


class ClassUndo(_Classes):
    """Undo the newest change to the classes, provided that no model was trained since."""

    changing = Ability.SETTINGS_CHANGE

    @extend_schema(request=UndoRequest, responses=Change)
    def post(self, request: Request, slug: str) -> Response:
        revision = read_body(UndoRequest, request.data)["revision"]
        return Response(Change(classes.undo(project=self.project, user=self.user, revision=revision)).data)
