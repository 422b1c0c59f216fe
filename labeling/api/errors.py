"""Errors as `{"code", "detail", "fields"?}`: a code for programs, a sentence for people, and what to mend where."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.batches import BatchError
from labeling.corrections import CorrectionError
from labeling.queue import QueueError


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: translate what the layers below raise, and give every error the one shape."""
    if isinstance(exc, QueueError | CorrectionError):
        known = dict.fromkeys(("not_found", "not_corrected"), status.HTTP_404_NOT_FOUND)
        return Response({"code": exc.code, "detail": exc.detail}, status=known.get(exc.code, status.HTTP_409_CONFLICT))
    if isinstance(exc, BatchError):
        exc = Conflict(str(exc))
    if isinstance(exc, DjangoValidationError):
        exc = ValidationError(exc.message_dict if hasattr(exc, "error_dict") else {"detail": exc.messages})
    response = exception_handler(exc, context)
    if response is not None:
        response.data = _body(exc, response)
    return response


def _body(exc: Exception, response: Response) -> dict[str, Any]:
    if isinstance(exc, ValidationError):
        fields = response.data if isinstance(response.data, dict) else {"detail": response.data}
        first_field, first = next(iter(fields.items()), ("", ""))
        text = _first_text(first)
        where = "" if first_field in ("detail", "non_field_errors") else f"{first_field}: "
        return {"code": "invalid", "detail": f"{where}{text}", "fields": fields}
    detail = response.data.get("detail", "") if isinstance(response.data, dict) else response.data
    return {"code": getattr(detail, "code", None) or _CODES.get(response.status_code, "error"), "detail": str(detail)}


_CODES = {404: "not_found", 403: "permission_denied"}


def _first_text(value: Any) -> str:
    while isinstance(value, list | dict) and value:
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return str(value)
