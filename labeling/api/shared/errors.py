"""Error responses `{"code", "detail", "fields"?}`: a code for programs, a sentence for people, the fields at fault."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.translation import gettext
from django.views import defaults
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.models.refusals import Refused, StateConflict
from labeling.outside.references import SourceAway
from labeling.outside.waiting import AGAIN_SECONDS, Busy
from labeling.storage.db import outages
from labeling.storage.disk.files import is_full
from labeling.storage.shared_files import StoreAway

logger = logging.getLogger(__name__)

FULL_RETRY_AFTER_SECONDS = 60
"""The wait before a retry when the disk is full: an operator has to free space."""

NOT_YET = "The file has not come from its source yet. Send the request again soon."

RETRY_AFTER_SECONDS = 2
"""The wait before a retry when the database is away: most restarts are over by then."""


class Error(serializers.Serializer[Any]):
    """An error."""

    code = serializers.CharField(help_text="For programs: `invalid`, `not_found`, `permission_denied`, `conflict` …")
    detail = serializers.CharField(help_text="For people: one sentence.")
    fields = serializers.DictField(  # type: ignore[assignment]  # a field that DRF has an attribute for
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong where: for each field at fault (`classes`, `tasks.0`) its sentences.",
    )


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


@contextmanager
def refusals_as_conflicts() -> Iterator[None]:
    """Answer 409, with the first sentence, where a function of the layers below raises Django's `ValidationError`."""
    try:
        yield
    except DjangoValidationError as error:
        raise Conflict(error.messages[0]) from error


class TooMany(APIException):
    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "busy"
    wait = AGAIN_SECONDS
    """For the header `Retry-After`."""


class NotYet(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    wait = RETRY_AFTER_SECONDS


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Respond to an exception of a view: DRF's exception handler. It maps the errors of the layers below to responses,
    and gives all errors the same shape.
    """
    if isinstance(exc, Refused):
        known = dict.fromkeys(("not_found", "not_corrected"), status.HTTP_404_NOT_FOUND)
        return Response({"code": exc.code, "detail": exc.detail}, status=known.get(exc.code, status.HTTP_409_CONFLICT))
    if isinstance(exc, StateConflict):
        exc = Conflict(str(exc))
    if isinstance(exc, Busy):
        exc = TooMany(str(exc))
    if isinstance(exc, SourceAway):
        exc = NotYet(NOT_YET)
    if isinstance(exc, DjangoValidationError):
        exc = ValidationError(exc.message_dict if hasattr(exc, "error_dict") else {"detail": exc.messages})
    response = exception_handler(exc, context)
    if response is not None:
        response.data = _body(exc, response)
    return response


def _body(exc: Exception, response: Response) -> dict[str, Any]:
    if isinstance(exc, ValidationError):
        return _invalid(response.data)
    detail = response.data.get("detail", "") if isinstance(response.data, dict) else response.data
    return {"code": getattr(detail, "code", None) or _CODES.get(response.status_code, "error"), "detail": str(detail)}


_CODES = {404: "not_found", 403: "permission_denied"}
# Keys of faults that concern the whole body and no single field.
_WHOLE = ("", "detail", "non_field_errors", "__all__")


def _invalid(faults: Any) -> dict[str, Any]:
    """Return the body of a 400: the first fault as a sentence, and the faults by field; nested fields by their path."""
    by_path: dict[str, list[str]] = {}
    for path, text in _sentences(faults, ""):
        by_path.setdefault(path, []).append(text)
    path, texts = next(iter(by_path.items()), ("", ["The request cannot be read."]))
    body: dict[str, Any] = {"code": "invalid", "detail": texts[0] if path in _WHOLE else f"{path}: {texts[0]}"}
    fields = {path: texts for path, texts in by_path.items() if path not in _WHOLE}
    return {**body, "fields": fields} if fields else body


def _sentences(faults: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(faults, dict):
        for name, inner in faults.items():
            whole = name in _WHOLE
            yield from _sentences(inner, path if whole else f"{path}.{name}" if path else str(name))
    elif isinstance(faults, list):
        for index, inner in enumerate(faults):
            yield from _sentences(inner, f"{path}.{index}" if isinstance(inner, dict) else path)
    else:
        yield path, str(faults)


# ── where no endpoint answers: JSON below /api/, Django's own pages elsewhere ──


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _outside(request, 400, "bad_request", "The request cannot be read.") or defaults.bad_request(
        request, exception
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    text = "This address does not exist. GET /api/schema/ lists all addresses."
    return _outside(request, 404, "not_found", text) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an unexpected exception: Django's `handler500`. A full disk answers 507, an unreachable database or
    object store 503, all else 500.
    """
    error = sys.exception()
    if is_full(error):
        text = "The disk of the server is full. Nothing can be stored until the operator frees space. "
        text += "Then send the request again."
        return _later(request, status.HTTP_507_INSUFFICIENT_STORAGE, "disk_full", text, FULL_RETRY_AFTER_SECONDS)
    if outages.is_away(error):
        return _unavailable(request, "database", gettext("The database"))
    if isinstance(error, StoreAway):
        logger.error("The object store is away: %s", error)
        return _unavailable(request, "store of files", gettext("The file store"))
    text = "The server failed. The request was not the cause; the operator finds the reason in the server's log."
    return _outside(request, 500, "server_error", text) or defaults.server_error(request)


def _unavailable(request: HttpRequest, part: str, its_part: str) -> HttpResponse:
    """Return a 503: a part of the server does not respond, for example the database; on a page, "The database"."""
    text = f"The {part} does not answer at the moment. Send the request again soon."
    return _later(request, 503, "unavailable", text, RETRY_AFTER_SECONDS, part=its_part)


def _later(request: HttpRequest, status_code: int, code: str, detail: str, wait: int, **context: str) -> HttpResponse:
    """Return an error that is over later: a page has its text in the template that is named by the status."""
    response = _outside(request, status_code, code, detail)
    if response is None:
        response = HttpResponse(loader.render_to_string(f"{status_code}.html", context), status=status_code)
    response["Retry-After"] = str(wait)
    return response


def _outside(request: HttpRequest, status_code: int, code: str, detail: str) -> HttpResponse | None:
    if not request.path.startswith("/api/v1/"):
        return None
    return JsonResponse({"code": code, "detail": detail}, status=status_code)
