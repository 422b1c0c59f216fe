"""Request bodies with items: a JSON list, JSON lines, or a file. The server spools them while it receives them."""

from collections.abc import Iterator
from typing import IO, Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.parsers import BaseParser, FileUploadParser, MultiPartParser
from rest_framework.request import Request

from labeling.api.shared.fields import Shape, read_body
from labeling.intake import uploads
from labeling.kinds import KINDS
from labeling.models import Project


class _Body:
    """A raw request body. The importer reads it like a file and rejects bad items one by one."""

    def __init__(self, stream: IO[bytes], suffix: str, size: int | None) -> None:
        # The importer names items without an id after the file, so that each request needs a name of its own.
        self.name = f"api-{timezone.now():%Y%m%d-%H%M%S-%f}{suffix}"
        self.size = size
        self._stream = stream

    def chunks(self) -> Iterator[bytes]:
        while chunk := self._stream.read(1 << 16):
            yield chunk


class _BodyParser(BaseParser):
    """Passes the body on unparsed."""

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


PARSERS = [ListParser, NdjsonParser, JsonLinesParser, MultiPartParser, FileUploadParser]

_CONTENT = " or ".join(f"`{name}`" for name in KINDS)
_ANY_ROW: dict[str, Any] = {
    "description": f"An item: an object with the content of its kind, {_CONTENT} (a file in base64), or numbers; and "
    "`id`, `truth`, `class`. Other values are rejected with the reason."
}
ROWS = [{"id": "a1", "text": "What a lovely day."}, {"id": "a2", "text": "Never again.", "truth": "negative"}]


def line_bodies(meaning: str) -> dict[str, Any]:
    """Return the request bodies with JSON lines, for the schema."""
    lines = {"type": "string", "minLength": 1}
    return {
        "application/x-ndjson": {**lines, "description": meaning},
        "application/jsonl": {**lines, "description": "The same."},
    }


# The schema has rows and files at different endpoints, which all accept both: generators of clients, such as
# openapi-python-client, make code that fails for a list beside other bodies.
ROW_BODIES: dict[str, Any] = {
    "application/json": {"type": "array", "items": _ANY_ROW},
    **line_bodies("One JSON object a line."),
}
"""The request bodies with rows, for the schema."""


def file_bodies(name: str, meaning: str = "", **fields: dict[str, Any]) -> dict[str, Any]:
    """Return the request bodies with a file, for the schema: a form with more fields, or the file, such as `name`."""
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    header = f'With a header that names it: `Content-Disposition: attachment; filename="{name}"`.'
    in_form = {**file, "description": meaning} if meaning else file
    return {
        "multipart/form-data": {"type": "object", "required": ["file"], "properties": {"file": in_form, **fields}},
        "application/octet-stream": {**file, "description": header},
    }


def two_texts(rows: list[dict[str, str]]) -> OpenApiExample:
    return OpenApiExample("Two texts", rows, request_only=True, media_type="application/json")


def uploaded(request: Request, project: Project) -> Any:
    """Return the data of the request: a raw body, or a form, whose file is spooled while it is parsed.

    The caller must have been authorised before. Raises DRF's `ValidationError` if the file cannot be stored.
    """
    uploads.admit(request._request, project, proven=True)
    data = request.data
    if problem := getattr(request._request, "upload_problem", ""):
        raise serializers.ValidationError({"file": problem})
    return data


def sent(request: Request, project: Project, options: type[Shape] = Shape) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the uploaded file of the request, as arguments of `uploads.store_upload`, and the options in the address
    or in the form.

    Reads the body, so that the caller must have been authorised before. Raises DRF's `ValidationError` if the request
    has no file, or if the file cannot be stored.
    """
    in_address = request.query_params.dict()
    read_body(options, in_address)
    data = uploaded(request, project)
    file = data.get("file")
    if not hasattr(file, "chunks"):
        raise serializers.ValidationError({"file": "Send the file in the field 'file'."})
    in_form = {name: data.get(name) for name in options().fields if data.get(name) is not None}
    upload = {"chunks": file.chunks(), "length": file.size, "spooled_at": uploads.spooled(file)}
    return {"name": file.name or "upload", **upload}, read_body(options, {**in_form, **in_address})
