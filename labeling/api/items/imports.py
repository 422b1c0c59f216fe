"""Endpoints for importing items and for serving their files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers, status
from rest_framework.response import Response

from labeling import kinds
from labeling.api.shared import fields
from labeling.api.shared.bodies import PARSERS, ROW_BODIES, ROWS, file_bodies, sent, two_texts
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.api.shared.errors import Error
from labeling.api.shared.ranges import media_response
from labeling.intake import parked, uploads
from labeling.intake.drafts import Draft
from labeling.intake.readers.layout import OPTIONS, Layout, LayoutError
from labeling.intake.rejecting import EXISTING, existing_rows
from labeling.kinds import KINDS
from labeling.models import Ability, ItemImport, RejectedRow
from labeling.outgoing.formats.csv import csv_lines
from labeling.outside import references
from labeling.projects import visible_files
from labeling.projects.classes.common import refuse_for
from labeling.projects.people import access
from labeling.storage import media
from labeling.storage.disk.files import FileDamaged


class _Option(serializers.CharField):
    """An option of a layout: a text that may be empty or a single space or tab."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(required=False, allow_blank=True, trim_whitespace=False, max_length=4000, **settings)


class UploadOptions(fields.Shape):
    strict = serializers.BooleanField(default=False, help_text="Refuse the whole upload if any row is bad.")

    preview = serializers.BooleanField(
        default=False,
        help_text="Import nothing: return the first rows as items, and the layout, guessed where it is not given.",
    )
    add_classes = serializers.BooleanField(
        default=False, help_text="Add the labels that are no classes as classes: `unknown_labels` is `add`."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), **{name: _Option(help_text=help) for name, help in OPTIONS.items()}}

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if values["add_classes"]:
            values["unknown_labels"] = "add"
        try:
            return {**values, "layout": Layout.read(values)}
        except LayoutError as error:
            raise serializers.ValidationError({error.option: str(error)}) from error


class PreviewRow(fields.Shape):
    """One of the first rows: the item that it becomes, or the reason why it is rejected."""

    where = fields.Text()
    external_id = fields.Text(allow_blank=True)
    data = fields.Object("The fields that annotators see.")  # type: ignore[assignment]
    label = fields.Text(allow_blank=True)  # type: ignore[assignment]
    problem = fields.Text(allow_blank=True)


class Preview(fields.Shape):
    """A file as it would be imported."""

    columns = fields.Texts()
    layout = fields.Object("The options to import it with.")
    problem = fields.Text("Why it cannot be read in this layout.", allow_blank=True)
    rows = PreviewRow(many=True, help_text="The first five.")
    surveyed = fields.Integer("The rows in which labels were counted: 20,000 at most.")
    whole = fields.Boolean("Whether these are all rows.")
    labels = fields.Integer("Rows with a label that is a class.")
    unknown = fields.Object("Other labels, with their rows.", child=fields.Integer())
    telling = fields.Texts("Columns, the id among them, in which annotators could read the label.")
    tools = fields.Object(
        "The annotation tools whose rows are known, each with its rows by what they say of the label.",
        child=fields.Object(child=fields.Integer()),
    )
    recognized = fields.Text("The same in sentences, with what becomes of them.", allow_blank=True)


class ImportSerializer(serializers.ModelSerializer[ItemImport]):
    """An import and its progress."""

    existing = fields.Computed("Those of the rejected rows whose id the project, or an earlier row, has already.")
    rejected_by_reason = fields.Object(
        "The number of rows rejected for each reason; null for imports of earlier versions.",
        child=fields.Integer(),
        allow_null=True,
        read_only=True,
    )

    Meta = fields.shows(
        ItemImport,
        "id name state reason strict position total accepted labeled rejected existing rejected_by_reason "
        "created_at finished_at",
    )

    def get_existing(self, item_import: ItemImport) -> int:
        return existing_rows(item_import)


class Refusal(Error):
    """An error that refuses the whole upload."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        begun = ImportSerializer(required=False, help_text="The import, where one was begun: see its rejected rows.")
        return {**super().get_fields(), "import": begun}


IMPORTED = {
    200: OpenApiResponse(Preview, description="With `preview`: nothing was imported."),
    201: OpenApiResponse(ImportSerializer, description="The import is complete."),
    202: OpenApiResponse(ImportSerializer, description="The worker imports the file."),
    400: OpenApiResponse(Refusal, description="The file cannot be read, or a row is bad and `strict` is set."),
}
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="A text of your choice that names this request. A repeated request with the same key and the same rows "
    "imports nothing, and returns the import of the first one.",
)


FLAG, TEXT = {"type": "boolean", "default": False}, {"type": "string"}
FORM_FIELDS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("strict", "preview", "add_classes"), FLAG),
    **{name: {**TEXT, "description": help} for name, help in OPTIONS.items()},
}


class ItemsUpload(ProjectView):
    parser_classes = PARSERS

    @answers(
        IMPORTED,
        needs=Ability.ITEMS_CHANGE,
        request=ROW_BODIES,
        parameters=[UploadOptions, KEY],
        examples=[two_texts(ROWS)],
    )
    def post(self) -> Response:
        """Import items from a JSON list or JSON lines. Files are accepted, too, as `POST imports/` describes them.

        A small upload is imported at once (201). A large one is imported in the background (202): poll the returned
        import. Bad rows are rejected with a reason, and the other rows are imported. The import stops as
        `refused` when 10,000 rows, and 99 % of all rows so far, are bad, or if the file has no good row; rows of
        existing items do not count as bad. With `preview`, nothing is imported, and the first rows come back (200).
        Send an `Idempotency-Key` to repeat a request whose response was lost.
        """
        return self.receive()

    def receive(self) -> Response:
        """Import the body or the file of the request, or preview it."""
        file, options = sent(self.request, self.project, UploadOptions)
        layout, strict = options["layout"], options["strict"]
        if options["preview"]:
            return Response(Preview(_previewed(parked.preview(project=self.project, layout=layout, **file))).data)
        if layout.adds_classes:
            access.require(self.membership, Ability.SETTINGS_CHANGE)
            refuse_for(self.project.asks.fixed_scale)
        key = self.request.headers.get("Idempotency-Key", "")
        item_import = uploads.receive(
            project=self.project, user=self.user, strict=strict, layout=layout, key=key, **file
        )
        body = ImportSerializer(item_import).data
        if item_import.state in (ItemImport.State.REFUSED, ItemImport.State.FAILED):
            refused = {"code": "refused", "detail": item_import.reason, "import": body}
            return Response(refused, status=status.HTTP_400_BAD_REQUEST)
        is_done = item_import.state == ItemImport.State.DONE
        return Response(body, status=status.HTTP_201_CREATED if is_done else status.HTTP_202_ACCEPTED)


def _previewed(look: parked.Look) -> dict[str, Any]:
    return {
        "columns": look.columns,
        "layout": look.layout.stored(),
        "problem": look.problem,
        "rows": [
            {
                "where": row.where,
                "external_id": row.item.external_id if isinstance(row.item, Draft) else "",
                "data": row.item.data if isinstance(row.item, Draft) else {},
                "label": row.label,
                "problem": "" if isinstance(row.item, Draft) else row.item.reason,
            }
            for row in look.first
        ],
        "surveyed": look.counts.rows,
        **{name: getattr(look.counts, name) for name in ("whole", "labels", "unknown", "telling", "tools")},
        "recognized": " ".join(look.counts.recognized),
    }


class ImportList(ItemsUpload):
    """The newest 100 imports."""

    @answers(
        IMPORTED,
        needs=Ability.ITEMS_CHANGE,
        request=file_bodies("items.parquet", "The format follows from its name.", **FORM_FIELDS),
        parameters=[UploadOptions, KEY],
        examples=[],
    )
    def post(self) -> Response:
        """Import items from a file in any format that the server imports. All else is as for `POST items/`."""
        return self.receive()

    @answers(ImportSerializer, needs=Ability.IMPORTS_READ, many=True)
    def get(self) -> QuerySet[ItemImport]:
        """List the newest 100 imports."""
        return self.project.imports.all()[:100]


class ImportDetail(ProjectView):
    """Return one import."""

    @answers(ImportSerializer, needs=Ability.IMPORTS_READ)
    def get(self, import_id: int) -> ItemImport:
        return self.one_of(self.project.imports.all(), "import", pk=import_id)


class RejectedOptions(fields.Shape):
    existing = serializers.BooleanField(default=True, help_text="Also the rows whose id was there already.")


class RejectedRows(ProjectView):
    """Download the first 1,000 rejected rows of an import as CSV, with place, reason and excerpt; of a list of a
    source's files, all. The import itself has the number of rows for each reason: `rejected_by_reason`.
    """

    @answers({(200, "text/csv"): OpenApiTypes.STR}, needs=Ability.IMPORTS_READ, query=RejectedOptions)
    def get(self, import_id: int) -> StreamingHttpResponse:
        item_import = self.one_of(self.project.imports.all(), "import", pk=import_id)
        rows = item_import.rejected_rows.all()
        if not self.query["existing"]:
            rows = rows.exclude(reason__in=EXISTING)
        response = StreamingHttpResponse(_rejected_csv(rows), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="rejected-{item_import.pk}.csv"'
        return response


def _rejected_csv(rows: QuerySet[RejectedRow]) -> Iterator[bytes]:
    yield csv_lines([["where", "reason", "excerpt"]])
    for row in rows.values_list("where", "reason", "excerpt").iterator(chunk_size=1000):
        yield csv_lines([row])


MEDIA_TYPES = {f"{each.split('/')[0]}/*" for kind in KINDS.values() for each in kind.content_types.values()}
"""For example "image/*"."""


class MediaOptions(fields.Shape):
    size = serializers.ChoiceField(
        choices=["original", "preview", "thumbnail"],
        default="original",
        help_text="For large images: request an upright, smaller image with a longest side of 1600 or 320 pixels. "
        "Other files are returned as they are.",
    )
    key = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=64,
        help_text="For near-copies: take it from the `media_url` of the claim.",
    )


class ItemMedia(ProjectView):
    """Return an item's file, for example an image, or the requested range of its bytes.

    Annotators receive the files of items that they hold, held or answered, of class examples, and of near-copies that a
    claim showed them (by `media_url`); other files answer 404.
    """

    @answers(
        {(200, media_type): OpenApiTypes.BINARY for media_type in sorted(MEDIA_TYPES)},
        needs=Ability.PROJECT_READ,
        query=MediaOptions,
    )
    def get(self, item_id: int) -> HttpResponseBase:
        size, kind = self.query["size"], kinds.of(self.project)
        name = visible_files.file_name(self.membership, item_id, self.query["key"])
        content_type = kind.content_types.get(Path(name).suffix)
        if not name or content_type is None:
            raise Http404(f"This item has no {kind.noun}.")
        try:
            if size != "original" and kind.is_picture:
                name = media.best(name, size)
                content_type = kind.content_types[Path(name).suffix]
            return media_response(
                self.request, references.local(name, reader=self.membership.user.pk), content_type=content_type
            )
        except references.Lost as lost:
            raise Http404(f"The {kind.noun} cannot be shown: {lost.problem}.") from None
        except (FileNotFoundError, FileDamaged):
            raise Http404(f"The {kind.noun} is gone from the disk.") from None
