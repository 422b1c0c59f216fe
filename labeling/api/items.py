"""Items on their way in, and their media on the way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

from django.http import FileResponse, Http404, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser, FileUploadParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access, media, uploads
from labeling.api.base import ProjectView
from labeling.api.errors import find_or_404
from labeling.api.reading import read
from labeling.api.schema import Error
from labeling.models import ItemImport, Project
from labeling.tables import csv_lines


class UploadOptions(serializers.Serializer[Any]):
    strict = serializers.BooleanField(default=False, help_text="Refuse the whole upload if any row is bad.")


class ImportSerializer(serializers.ModelSerializer[ItemImport]):
    """How far an import is."""

    class Meta:
        model = ItemImport
        fields = (
            "id",
            "name",
            "state",
            "reason",
            "strict",
            "position",
            "total",
            "accepted",
            "rejected",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class Refusal(Error):
    """The upload was refused as a whole."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        told = ImportSerializer(required=False, help_text="The import, where one was begun: see its rejected rows.")
        return {**super().get_fields(), "import": told}


class _Body:
    """A request's body as it came: the importer reads it like any file, and sets bad items aside one by one."""

    def __init__(self, stream: IO[bytes], suffix: str, size: int | None) -> None:
        # Items without an id are named after the file: two requests must not give the same names.
        self.name = f"api-{timezone.now():%Y%m%d-%H%M%S-%f}{suffix}"
        self.size = size
        self._stream = stream

    def chunks(self) -> Iterator[bytes]:
        while chunk := self._stream.read(1 << 16):
            yield chunk


class _BodyParser(BaseParser):
    """Leaves the body alone."""

    suffix: ClassVar[str]

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        length = parser_context["request"].META.get("CONTENT_LENGTH", "") if parser_context else ""
        return {"file": _Body(stream, self.suffix, int(length) if length.isdecimal() else None)}


class ListParser(_BodyParser):
    media_type = "application/json"
    suffix = ".json"


class NdjsonParser(_BodyParser):
    media_type = "application/x-ndjson"
    suffix = ".jsonl"


class JsonLinesParser(_BodyParser):
    media_type = "application/jsonl"
    suffix = ".jsonl"


ANY_ROW: dict[str, Any] = {
    "description": "An item: an object with `text`, or `image` (a path within a zip, or base64), or numbers; and "
    "`id`, `truth`, `proposed`. Anything else is set aside, with the reason."
}
BODIES = {
    "application/json": {"type": "array", "items": ANY_ROW},
    "application/x-ndjson": {"type": "string", "minLength": 1, "description": "One JSON object a line."},
    "application/jsonl": {"type": "string", "minLength": 1, "description": "The same."},
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "The format follows from its name."},
            "strict": {"type": "boolean", "default": False},
        },
    },
    "application/octet-stream": {
        "type": "string",
        "format": "binary",
        "description": 'With a header that names it: `Content-Disposition: attachment; filename="items.parquet"`.',
    },
}
ROWS = [{"id": "a1", "text": "What a lovely day."}, {"id": "a2", "text": "Never again.", "truth": "negative"}]


class ItemsUpload(ProjectView):
    """Items on their way in."""

    subject = "Items"
    needs = {"POST": access.MANAGE}
    parser_classes = [ListParser, NdjsonParser, JsonLinesParser, MultiPartParser, FileUploadParser]

    @extend_schema(
        parameters=[UploadOptions],
        request=BODIES,
        examples=[OpenApiExample("Two texts", ROWS, request_only=True, media_type="application/json")],
        responses={
            201: OpenApiResponse(ImportSerializer, description="All of it was looked at."),
            202: OpenApiResponse(ImportSerializer, description="The worker takes it in."),
            400: OpenApiResponse(Refusal, description="It cannot be read, or a row is bad and `strict` was asked for."),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        """Add items: a JSON list, JSON lines, or a file of any format that can be imported.

        Small uploads are taken in at once (201), large ones in the background (202): poll the import that is returned.
        Rows that are bad are set aside, and told with the reason; the rest goes in.
        """
        options = read(UploadOptions, request.query_params)
        data: Any = request.data  # a body as it is, or a form, which is spooled as it is taken apart
        file = data.get("file")
        if problem := getattr(request._request, "upload_problem", ""):
            raise serializers.ValidationError({"file": problem})
        if not hasattr(file, "chunks"):
            raise serializers.ValidationError({"file": "Send the file in the field 'file'."})
        in_form = read(UploadOptions, {"strict": data.get("strict", False)})
        item_import = uploads.receive(
            project=self.project,
            user=self.user,
            name=file.name or "upload",
            chunks=file.chunks(),
            strict=options["strict"] or in_form["strict"],
            length=file.size,
            spooled_at=uploads.spooled(file),
        )
        body = ImportSerializer(item_import).data
        if item_import.state in (ItemImport.State.REFUSED, ItemImport.State.FAILED):
            refused = {"code": "refused", "detail": item_import.reason, "import": body}
            return Response(refused, status=status.HTTP_400_BAD_REQUEST)
        done = item_import.state == ItemImport.State.DONE
        return Response(body, status=status.HTTP_201_CREATED if done else status.HTTP_202_ACCEPTED)


class ImportList(ProjectView):
    """The newest imports, at most 100."""

    subject = "Items"
    needs = {"GET": access.MANAGE}

    @extend_schema(responses=ImportSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return Response(ImportSerializer(self.project.imports.all()[:100], many=True).data)


class ImportDetail(ProjectView):
    """One import."""

    subject = "Items"
    needs = {"GET": access.MANAGE}

    @extend_schema(responses=ImportSerializer)
    def get(self, request: Request, slug: str, import_id: int) -> Response:
        return Response(ImportSerializer(_import(self.project, import_id)).data)


class RejectedRows(ProjectView):
    """The rows that an import set aside, as CSV: where, reason, excerpt."""

    subject = "Items"
    needs = {"GET": access.MANAGE}

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, slug: str, import_id: int) -> StreamingHttpResponse:
        item_import = _import(self.project, import_id)
        response = StreamingHttpResponse(_rejected_csv(item_import), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="rejected-{item_import.pk}.csv"'
        return response


def _import(project: Project, pk: int) -> ItemImport:
    return find_or_404(project.imports.all(), f"There is no import {pk} in this project.", pk=pk)


def _rejected_csv(item_import: ItemImport) -> Iterator[bytes]:
    yield csv_lines([["where", "reason", "excerpt"]])
    for row in item_import.rejected_rows.values_list("where", "reason", "excerpt").iterator(chunk_size=1000):
        yield csv_lines([row])


class ItemMedia(ProjectView):
    """An item's image."""

    subject = "Items"

    @extend_schema(responses={(200, "image/*"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, item_id: int) -> FileResponse:
        name = self.project.items.filter(pk=item_id).values_list("media", flat=True).first()
        suffix = Path(name or "").suffix
        if not name or suffix not in media.CONTENT_TYPES:
            raise Http404("This item has no image.")
        try:
            file = media.path_of(name).open("rb")
        except FileNotFoundError:
            raise Http404("The image is gone from the disk.") from None
        response = FileResponse(file, content_type=media.CONTENT_TYPES[suffix])
        # Content never changes under its name, and is nobody else's business.
        response["Cache-Control"] = "private, max-age=86400, immutable"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response
