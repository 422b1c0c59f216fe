"""Endpoints of files out: the export, and dataset versions. `export/?dataset=NAME` downloads the rows of one."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from labeling.api.shared import fields
from labeling.api.shared.endpoints import (
    ProjectView,
    answers,
    attachment,
    find_or_404,
    parameter,
    private_file,
    record_download,
)
from labeling.api.shared.errors import Conflict
from labeling.labels.items.filter import FilterError
from labeling.models import Ability, DatasetVersion, LogKind
from labeling.models.datasets import DatasetVersionQuerySet
from labeling.outgoing.datasets import comparing, creating, manifest
from labeling.outgoing.exports import FILTERS, Choice, choose, export, formats_of
from labeling.outgoing.formats import DEFAULT, EXPORTS, FORMATS, Format
from labeling.outside.waiting import Held, Places
from labeling.storage.arrays.damage import report_damage
from labeling.storage.disk.files import FileDamaged

AT_SOURCES = Places(2, 1)
"""The exports that a process reads files for at sources at a time, and those of one person."""


def format_of(formats: Mapping[str, Format]) -> OpenApiParameter:
    """Return the parameter that chooses one of the formats."""
    return OpenApiParameter("format", OpenApiTypes.STR, enum=list(formats), default=DEFAULT, description="Of the file.")


def files_of(formats: Mapping[str, Format]) -> dict[tuple[int, str], OpenApiTypes]:
    """Return the responses with a file in one of the formats.

    The first stands for all formats: generated clients read the type that they know as bytes.
    """
    types = ["application/octet-stream", *(fmt.content_type.split(";")[0] for fmt in formats.values())]
    return dict.fromkeys(((200, each) for each in types), OpenApiTypes.BINARY)


PARAMETERS = [format_of(EXPORTS), *map(parameter, FILTERS.values())]


class Export(ProjectView):
    """Export labeled items with their annotations and lineage, as a stream in the format that `format` names.

    The other parameters filter the rows; a row must match all of them. Respond with 429 to an export with files that
    are at sources while you have another one.
    """

    few = True

    @answers(
        files_of(EXPORTS),
        needs=Ability.LABELS_READ,
        errors={409: "A file of the dataset version was changed or is missing."},
        parameters=PARAMETERS,
    )
    def get(self) -> StreamingHttpResponse:
        name, choice = self._name_and_choice()
        fmt = EXPORTS[name]
        try:
            chunks = self._chunks(name, choice)
        except FileDamaged as damage:
            report_damage(self.project, damage)
            raise Conflict(f"The dataset version cannot be exported: {damage.path.name}: {damage.problem}.") from None
        try:
            after = {**self.request.query_params.dict(), "format": name}
            record_download(self.request, LogKind.LABELS_EXPORTED, self.project, after=after)
        except BaseException:
            if isinstance(chunks, Held):
                chunks.close()
            raise
        headers = private_file(choice.file_name(self.project, fmt.suffix))
        return StreamingHttpResponse(chunks, content_type=fmt.content_type, headers=headers)

    def _chunks(self, name: str, choice: Choice) -> Iterator[bytes] | Held:
        """Return the file. Raises `Busy` if its files are at sources, and others read some there."""
        chunks = export(self.project, name, choice)
        if name in FORMATS or not self.project.references.exists():
            return chunks
        return Held(AT_SOURCES.take([self.user.pk]), chunks)

    def _name_and_choice(self) -> tuple[str, Choice]:
        """Return the format and the rows. A parameter that does not exist is refused: misspelt, it would filter
        nothing.
        """
        known = ["format", *FILTERS]
        errors = {
            name: f"Unknown parameter. Known: {', '.join(known)}."
            for name in self.request.query_params
            if name not in known
        }
        name = self.request.query_params.get("format") or DEFAULT
        formats = formats_of(self.project)
        if name not in formats:
            errors["format"] = f"There is no format {name[:40]!r}; there are {', '.join(formats)}."
        choice = Choice()
        try:
            choice = choose(self.project, self.request.query_params)
        except FilterError as error:
            errors |= error.fields
        if errors:
            raise ValidationError({name: [text] for name, text in errors.items()})
        return name, choice


class DatasetBody(fields.Shape):
    """A dataset version to be made."""

    name = fields.Text("Left out: `v` and its number.", required=False, max_length=100)
    note = fields.Text(required=False, max_length=1000, allow_blank=True)
    filters = fields.Object(
        "Of its rows: the parameters of an export, as texts. Left out: all labeled items.",
        child=fields.Text(max_length=1000),
        required=False,
    )


class ReplacedDigest(fields.Shape):
    sha256 = fields.Text()
    replaced_at = fields.Time()
    removed = fields.Count("Items that were removed for good.")


class DatasetSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A named, immutable state of the project's labels."""

    created_by = fields.Text(source="created_by.username", default=None, allow_null=True)
    filters = fields.Object("Of its rows, as in an export.", child=fields.Text())
    models = fields.Computed("The model versions that learned from it.")
    replaced = ReplacedDigest(many=True, help_text="Earlier digests, from before items were removed for good.")

    Meta = fields.shows(
        DatasetVersion,
        "number name note filters automatic state reason rows digest models replaced created_by created_at",
    )

    def get_models(self, dataset: DatasetVersion) -> list[int]:
        return sorted(version.number for version in dataset.versions.all())


class DatasetList(ProjectView):
    """The dataset versions of a project."""

    @answers(DatasetSerializer, needs=Ability.LABELS_READ, pages=True)
    def get(self) -> QuerySet[DatasetVersion]:
        return datasets_of(self)

    @answers(
        DatasetSerializer,
        202,
        needs=Ability.DATASETS_CHANGE,
        takes=DatasetBody,
        meaning="A worker writes it: ask until it is `whole`.",
    )
    def post(self) -> DatasetVersion:
        """Make a dataset version of the present labels."""
        body = self.body
        try:
            dataset = creating.create(self.project, self.user, **body)
        except FilterError as error:
            raise ValidationError({"filters": list(error.fields.values())}) from None
        return dataset


def datasets_of(view: ProjectView) -> DatasetVersionQuerySet:
    datasets = view.project.datasets.defer("manifest")
    return datasets.select_related("created_by", "project").prefetch_related("versions")


class _OneDataset(ProjectView):
    def find(self, name: str) -> DatasetVersion:
        missing = f"There is no dataset version {name[:100]} in this project."
        return find_or_404(datasets_of(self).named(name), missing)

    def whole(self, name: str) -> DatasetVersion:
        """Return a version whose rows are written; 409 for others."""
        dataset = self.find(name)
        if dataset.state != DatasetVersion.State.WHOLE:
            raise Conflict(dataset.reason or f"{dataset.name} is not written yet: ask again later.")
        return dataset


NOT_WHOLE = {409: "It is not written yet, or it failed."}


class DatasetDetail(_OneDataset):
    """Return one dataset version."""

    @answers(DatasetSerializer, needs=Ability.LABELS_READ)
    def get(self, name: str) -> DatasetVersion:
        return self.find(name)


class DatasetManifest(_OneDataset):
    """Download the manifest: columns, classes, counts, filters, batches and models, sampling weights, guidelines, and
    the SHA-256 of each file and of all rows. Its own SHA-256 is `digest`.
    """

    @answers({(200, "application/json"): OpenApiTypes.OBJECT}, needs=Ability.LABELS_READ, errors=NOT_WHOLE)
    def get(self, name: str) -> HttpResponse:
        dataset = self.whole(name)
        record_download(self.request, LogKind.DATASET_DOWNLOADED, self.project, subject=f"dataset {dataset.name}")
        return attachment(dataset.manifest, f"{self.project.slug}-{dataset.name}.manifest.json", "application/json")


class DatasetCard(_OneDataset):
    """Download the card: what the rows are and where their labels come from, in Markdown."""

    @answers({(200, "text/markdown"): OpenApiTypes.STR}, needs=Ability.LABELS_READ, errors=NOT_WHOLE)
    def get(self, name: str) -> HttpResponse:
        dataset = self.whole(name)
        name = f"{self.project.slug}-{dataset.name}.md"
        return attachment(manifest.card_of(dataset), name, "text/markdown; charset=utf-8")


for shape in (comparing.ClassDifference, comparing.LabelChange):
    fields.shape_of(shape, shape.__name__)


class DatasetComparison(_OneDataset):
    """Compare the version with an earlier one: items added and removed, labels changed, by class. Respond with 409 for
    versions that have more than 2,000,000 rows together.
    """

    @answers(
        fields.shape_of(comparing.Comparison, "DatasetDifference"),
        needs=Ability.LABELS_READ,
        errors={409: "One of them is not written, or they have too many rows together."},
        parameters=[
            OpenApiParameter("with", OpenApiTypes.STR, required=True, description="The earlier version's name.")
        ],
    )
    def get(self, name: str) -> comparing.Comparison:
        dataset, earlier = self.whole(name), self.request.query_params.get("with", "")
        if not earlier:
            raise ValidationError({"with": ["Name the earlier version."]})
        try:
            return comparing.compare_for_people(self.whole(earlier), dataset)
        except comparing.TooManyRows as error:
            raise Conflict(str(error)) from None
        except FileDamaged as damage:
            raise Conflict(f"A file of these versions is damaged: {damage.problem}.") from None


class Verification(fields.Shape):
    """Whether the manifest and the files are what was written."""

    digest = fields.Text()
    whole = fields.Boolean()
    problems = fields.Texts()
    replaced = ReplacedDigest(many=True, help_text="Earlier digests, from before items were removed for good.")


class DatasetVerification(_OneDataset):
    """Verify the version: read its files, and compare each SHA-256 with the one of its manifest."""

    @answers(Verification, needs=Ability.LABELS_READ, errors=NOT_WHOLE)
    def get(self, name: str) -> dict[str, Any]:
        dataset = self.whole(name)
        problems = manifest.verify(dataset)
        return {"digest": dataset.digest, "whole": not problems, "problems": problems, "replaced": dataset.replaced}
