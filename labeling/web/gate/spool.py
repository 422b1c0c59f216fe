"""Spool the files of forms to the folder of uploads, only after the permission check and the storage check.

Django parses a form before the view runs. So this handler stores a file only if the page or the API has called
`uploads.admit` before the body is read, and if the form fields before the file pass the CSRF check. It reads and drops
any other file.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadhandler import SkipFile, StopUpload, TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from rest_framework.authentication import CSRFCheck

from labeling.intake import uploads
from labeling.models import Project
from labeling.projects import quota

logger = logging.getLogger(__name__)

# The bytes that a form may have beside its file.
FORM_BYTES = 1 << 20


def given_back(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Remove the count of a spooled file after its request, unless `keep` has renamed it. A middleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        try:
            return get_response(request)
        finally:
            if spooled := getattr(request, "spooled_at", None):
                quota.forget_upload(spooled)

    return middleware


class UploadSpool(TemporaryFileUploadHandler):
    """Spool one file to the disk of the uploads' folder. Read and drop a file that must not be stored.

    `request.upload_problem` gives the form the reason for a dropped file. If the body is the file itself, the handler
    raises `ValidationError` at once.
    """

    _length = 0
    _parser: MultiPartParser | None = None
    _in_form = True

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, Any],
        content_length: int | None,
        boundary: Any,
        encoding: str | None = None,
    ) -> tuple[QueryDict, MultiValueDict[str, Any]] | None:
        if self._parser is not None:
            return None
        self._length = content_length or 0
        self._in_form = boundary is not None
        if not self._in_form:
            return None
        # Parse the form here, so that `_form_is_ours` can read the fields that have arrived so far.
        assert self.request is not None
        self._parser = MultiPartParser(META, input_data, self.request.upload_handlers, encoding)  # type: ignore[arg-type]
        return self._parser.parse()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        admission = uploads.admission_of(self.request)
        if admission is None:
            self._skip(gettext("The file is too large for this page."))
        if not (admission.proven or self._form_is_ours()):
            raise StopUpload(connection_reset=True)  # Django's CSRF check of the whole form then fails, too
        if self._length > (settings.MAX_UPLOAD_MB << 20) + FORM_BYTES:
            self._skip(uploads.too_large())
        if hasattr(self.request, "spooled_at"):
            self._skip(gettext("Send one file at a time."))
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._broken(error)
        self._reserve(admission.project)

    def _form_is_ours(self) -> bool:
        """Return whether the fields before the file pass Django's CSRF check."""
        assert self.request is not None
        bare = uploads.without_body(self.request, self._parser._post)  # type: ignore[union-attr]
        return CSRFCheck(lambda request: HttpResponse()).process_view(bare, HttpResponse, (), {}) is None

    def _reserve(self, project: Project | None) -> None:
        path = Path(self.file.temporary_file_path())
        try:
            if project is not None:
                quota.reserve(project=project, path=path, size=self._length)
        except quota.NoRoom as problem:
            self.file.close()
            self._skip(str(problem.message))
        self.request.spooled_at = path  # type: ignore[union-attr]

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            super().receive_data_chunk(raw_data, start)
            self.file.flush()  # a full disk shows here, where the file can still be skipped
        except OSError as error:
            with suppress(OSError):  # `close` tries to write the buffer again, then removes the file
                self.file.close()
            self._broken(error)

    def _broken(self, error: OSError) -> NoReturn:
        logger.error("An upload could not be stored: %s", error)
        self._skip(uploads.storing_problem(error))

    def _skip(self, problem: str) -> NoReturn:
        if self.request is not None:
            self.request.upload_problem = problem  # type: ignore[attr-defined]
        if not self._in_form:  # Django does not handle SkipFile where the body is the file itself
            raise ValidationError({"file": [problem]})
        raise SkipFile
