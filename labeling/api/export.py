"""Export over HTTP."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from labeling import access
from labeling.api.base import ProjectView
from labeling.exports import FORMATS, export


class ExportRequest(serializers.Serializer[Any]):
    """What is to be exported, and how."""

    format = serializers.ChoiceField(choices=list(FORMATS), default="jsonl")
    batch = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    skipped = serializers.BooleanField(default=False)


class IgnoreAccept(BaseContentNegotiation):
    """The parameter `format` names the body's format; errors are JSON, whatever the client says that it accepts."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]


class Export(ProjectView):
    """The labeled items with their annotations and lineage, streamed as JSONL, CSV or Parquet.

    `batch` restricts the export to one batch; `skipped=true` adds the items that everybody skipped.
    """

    needs = {"GET": access.EXPORT, "HEAD": access.EXPORT}
    content_negotiation_class = IgnoreAccept

    @extend_schema(
        parameters=[
            OpenApiParameter("format", OpenApiTypes.STR, enum=list(FORMATS), default="jsonl"),
            OpenApiParameter("batch", OpenApiTypes.INT, description="The number of one batch."),
            OpenApiParameter("skipped", OpenApiTypes.BOOL, default=False),
        ],
        responses={(200, fmt.content_type.split(";")[0]): OpenApiTypes.BINARY for fmt in FORMATS.values()},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        serializer = ExportRequest(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        wanted = serializer.validated_data
        batch = wanted.get("batch")
        if batch is not None:
            get_object_or_404(self.project.batches, number=batch)
        fmt = FORMATS[wanted["format"]]
        chunks = export(self.project, wanted["format"], batch=batch, skipped=wanted["skipped"])
        response = StreamingHttpResponse(chunks, content_type=fmt.content_type)
        part = "labels" if batch is None else f"batch-{batch}"
        response["Content-Disposition"] = f'attachment; filename="{slug}-{part}{fmt.suffix}"'
        response["Cache-Control"] = "private, no-store"
        return response
