"""Bodies that hold items: a JSON list, JSON lines, or a file, spooled as it comes and looked into later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, ClassVar, NamedTuple

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.parsers import BaseParser, FileUploadParser, MultiPartParser
from rest_framework.request import Request

from labeling.api.shared.reading import read
from labeling.intake import uploads
from labeling.kinds import KINDS
from labeling.models import Project


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


PARSERS = [ListParser, NdjsonParser, JsonLinesParser, MultiPartParser, FileUploadParser]

_CONTENT = " or ".join(f"`{name}`" for name in KINDS)
_ANY_ROW: dict[str, Any] = {
    "description": f"An item: an object with the content of its kind, {_CONTENT} (a file in base64), or numbers; and "
    "`id`, `truth`, `class`. Anything else is set aside, with the reason."
}
ROWS = [{"id": "a1", "text": "What a lovely day."}, {"id": "a2", "text": "Never again.", "truth": "negative"}]


def bodies(option: str) -> dict[str, Any]:
    """What may be sent, for the schema; in a form, `option` is a field beside the file."""
    lines = {"type": "string", "minLength": 1}
    file = {"type": "string", "format": "binary"}
    return {
        "application/json": {"type": "array", "items": _ANY_ROW},
        "application/x-ndjson": {**lines, "description": "One JSON object a line."},
        "application/jsonl": {**lines, "description": "The same."},
        "multipart/form-data": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {**file, "description": "The format follows from its name."},
                option: {"type": "boolean", "default": False},
            },
        },
        "application/octet-stream": {
            **file,
            "description": 'With a header that names it: `Content-Disposition: attachment; filename="items.parquet"`.',
        },
    }


def two_texts(rows: list[dict[str, str]]) -> OpenApiExample:
    return OpenApiExample("Two texts", rows, request_only=True, media_type="application/json")


class Sent(NamedTuple):
    """A file, and whether the option beside it was chosen. `upload` is what `uploads.keep` takes."""

    upload: dict[str, Any]
    chosen: bool


def sent(request: Request, project: Project, options: type[serializers.Serializer[Any]], option: str) -> Sent:
    """The file of the request, for the project; `option` is a field of `options`, given in the address or in the form.

    Call once it is known that whoever sends it may: its body is read here.

    Raises DRF's `ValidationError` if there is none, or none that could be kept.
    """
    chosen = read(options, request.query_params)[option]
    uploads.admit(request._request, project, proven=True)
    data: Any = request.data  # a body as it is, or a form, which is spooled as it is taken apart
    file = data.get("file")
    if problem := getattr(request._request, "upload_problem", ""):
        raise serializers.ValidationError({"file": problem})
    if not hasattr(file, "chunks"):
        raise serializers.ValidationError({"file": "Send the file in the field 'file'."})
    chosen = chosen or read(options, {option: data.get(option, False)})[option]
    upload = {"chunks": file.chunks(), "length": file.size, "spooled_at": uploads.spooled(file)}
    return Sent({"name": file.name or "upload", **upload}, chosen)
