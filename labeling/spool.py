"""Where files of forms go while they arrive: the folder of uploads, within the limit, and for people signed in only.

Django takes a form apart before any view has a say. Without this, whoever reaches the server could fill its disk.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

from labeling import uploads

logger = logging.getLogger(__name__)

# What a form may have beside its file.
FORM_BYTES = 1 << 20


class UploadSpool(TemporaryFileUploadHandler):
    """Spools files to the disk that they stay on. One that must not be stored is read and dropped as it comes.

    `request.upload_problem` then says why, for the form to tell. A body that is the file itself is refused at once, by
    a `ValidationError`.
    """

    _problem = ""
    _in_form = True

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, Any],
        content_length: int | None,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        self._in_form = boundary is not None
        if (content_length or 0) > (settings.MAX_UPLOAD_MB << 20) + FORM_BYTES:
            self._problem = uploads.too_large()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated:
            self._skip("Sign in first: files are taken from members only.")
        if self._problem:
            self._skip(self._problem)
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._broken(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            super().receive_data_chunk(raw_data, start)
            self.file.flush()  # a full disk shows here, where the file can still be skipped
        except OSError as error:
            with suppress(OSError):  # it tries once more to write what is left, then removes the file
                self.file.close()
            self._broken(error)

    def _broken(self, error: OSError) -> None:
        logger.error("An upload could not be stored: %s", error)
        self._skip(uploads.storing_problem(error))

    def _skip(self, problem: str) -> None:
        if self.request is not None:
            self.request.upload_problem = problem  # type: ignore[attr-defined]
        if not self._in_form:  # nobody goes on behind it, and a skipped file would be an error that nobody handles
            raise ValidationError({"file": [problem]})
        raise SkipFile
