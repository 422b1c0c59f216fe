"""Endpoints for the sources of a project."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.intake.readers.layout import Layout, LayoutError
from labeling.intake.watching import changing
from labeling.models import Ability, Source
from labeling.outside.sources import MAX_ADDRESS, BadAddress, SourceProblem

MOST_TEXT = 10_000
"""The most characters of an option or a credential."""


class _Texts(serializers.DictField):
    """An object of texts, by their names."""

    child = fields.Text(max_length=MOST_TEXT, allow_blank=True)


class _Columns(serializers.DictField):
    """A layout: the options of an import."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return Layout.read({name: _text(name, value) for name, value in super().to_internal_value(data).items()})
        except LayoutError as error:
            raise serializers.ValidationError({error.option: str(error)}) from error


def _text(name: str, value: Any) -> Any:
    if isinstance(value, list) and name == "leave_out" and all(isinstance(each, str) for each in value):
        return value
    if not isinstance(value, str):
        raise LayoutError(name, "Give a text.")
    return value


class SourceSerializer(fields.Shape):
    """A place outside from which items come."""

    id = fields.Integer(read_only=True)
    name = fields.Text(max_length=100)
    address = fields.Text("Such as `s3://bucket/folder`. It cannot be changed.", max_length=MAX_ADDRESS)
    options = _Texts(default=dict, help_text="What the place needs beside its address, such as `region`.")
    credentials = _Texts(write_only=True, default=dict, help_text="Stored encrypted. No response has them.")
    has_credentials = fields.Boolean(read_only=True, source="has_secrets")
    content = fields.Choice(Source.Content.choices)
    layout = _Columns(
        required=False,
        allow_null=True,
        help_text="The options of its imports, such as `text_column`. Null: the first look at files with rows waits "
        "for a person.",
    )
    by_reference = fields.Boolean("Whether the files of items stay there, also those that rows name.", default=False)
    schedule = fields.Choice(Source.Every.choices, default=Source.Every.DAY)
    full_schedule = fields.Choice(Source.Every.choices, default=Source.Every.WEEK)
    paused = fields.Boolean(source="paused_at", read_only=True)
    looking = fields.Computed("Whether a look waits or runs.")
    parked_import = fields.Computed("The import that waits for its columns.")
    found = fields.Integer("The new or changed files that all looks have found.", read_only=True)
    problem = fields.Text("Why the last look failed.", read_only=True)
    looked_at = fields.Time(read_only=True)
    full_looked_at = fields.Time(read_only=True)
    next_look_at = fields.Time(read_only=True)
    next_full_at = fields.Time(read_only=True)
    created_at = fields.Time(read_only=True)

    def get_looking(self, source: Any) -> bool:
        return source.pk in self.context["states"].looking

    def get_parked_import(self, source: Any) -> int | None:
        parked: int | None = self.context["states"].parked.get(source.pk)
        return parked


class SourceChange(fields.Shape):
    """New values of a source. Fields that are left out stay; `credentials` replace all earlier ones."""

    name = fields.Text(required=False, max_length=100)
    options = _Texts(required=False)
    credentials = _Texts(required=False)
    layout = _Columns(required=False, help_text="From the next file on.")
    schedule = fields.Choice(Source.Every.choices, required=False)
    full_schedule = fields.Choice(Source.Every.choices, required=False)
    paused = fields.Boolean(required=False)


class LookRequest(fields.Shape):
    full = fields.Boolean("List all files, not only what follows the last one.", default=False)


class RemovalOptions(fields.Shape):
    lose_files = serializers.BooleanField(default=False, help_text="Also if files of items are there: they are lost.")


class SourceFile(fields.Shape):
    key = fields.Text("Relative to the address; empty for the address itself.", allow_blank=True)
    size = fields.Integer("In bytes.", allow_null=True)
    changed = fields.Time(allow_null=True)


class SourceTest(fields.Shape):
    """The first files of a source, or the reason why there are none."""

    problem = fields.Text(allow_blank=True)
    files = SourceFile(many=True)


def _given(values: dict[str, Any], address: str) -> dict[str, Any]:
    """Return the fields as `changing` takes them, with options and credentials checked by their names."""
    if "credentials" in values:
        values["secrets"] = values.pop("credentials")
    for name, secret in (("options", False), ("secrets", True)):
        if name in values:
            try:
                values[name] = changing.only(address, values[name], secret=secret)
            except BadAddress as error:
                raise ValidationError({error.option: str(error)}) from error
    return values


class _Sources(ProjectView):
    def context_of(self, result: Any) -> dict[str, Any]:
        return {"states": changing.states_of(self.project)}

    def find(self, source_id: int) -> Source:
        return self.one_of(self.project.sources.all(), "source", pk=source_id)


class SourceList(_Sources):
    """List the sources of the project."""

    @answers(SourceSerializer, needs=Ability.SOURCES_CHANGE, many=True)
    def get(self) -> QuerySet[Source]:
        return self.project.sources.all()

    @answers(SourceSerializer, 201, needs=Ability.SOURCES_CHANGE, takes=SourceSerializer)
    def post(self) -> Source:
        """Add a source, which a worker looks at. Respond with 409 if the project has 50 sources."""
        values = {"layout": None, **self.body}
        return changing.add(project=self.project, user=self.user, **_given(values, values["address"]))


class SourceDetail(_Sources):
    @answers(SourceSerializer, needs=Ability.SOURCES_CHANGE)
    def get(self, source_id: int) -> Source:
        """Return one source."""
        return self.find(source_id)

    @answers(SourceSerializer, needs=Ability.SOURCES_CHANGE, takes=SourceChange)
    def patch(self, source_id: int) -> Source:
        """Change, pause or resume a source. After new credentials, imports that failed continue."""
        source = self.find(source_id)
        changing.change(source=source, **_given(self.body, source.address))
        return self.find(source_id)

    @answers(needs=Ability.SOURCES_CHANGE, query=RemovalOptions)
    def delete(self, source_id: int) -> None:
        """Remove the source and its imports that are not done. Its items stay. Respond with 409 if files of items are
        there, unless `lose_files` is true.
        """
        changing.remove_source(source=self.find(source_id), **self.query)


class SourceLook(_Sources):
    """Look at the source as soon as a worker is free. Respond with 409 if it is paused."""

    @answers(SourceSerializer, 202, needs=Ability.SOURCES_CHANGE, takes=LookRequest)
    def post(self, source_id: int) -> Source:
        source = self.find(source_id)
        changing.look_now(source=source, full=self.body["full"])
        return self.find(source_id)


class SourceTried(_Sources):
    """Return the first five files of the source, or the reason why they cannot be listed. Respond with 429 if you,
    the project or the server have two tests under way.
    """

    few = True

    def context_of(self, result: Any) -> dict[str, Any]:
        return {}

    @answers(SourceTest, needs=Ability.SOURCES_CHANGE)
    def post(self, source_id: int) -> dict[str, Any]:
        try:
            return {"problem": "", "files": changing.files_for(self.user, self.find(source_id))}
        except SourceProblem as problem:
            return {"problem": str(problem), "files": []}
