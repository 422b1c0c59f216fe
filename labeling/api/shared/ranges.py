"""File responses with byte ranges, which media players need to seek."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from labeling.storage.disk.files import reading

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_BLOCK = 1 << 16


def media_response(request: HttpRequest, path: Path, *, content_type: str) -> HttpResponseBase:
    """Serve a file that a member uploaded. Headers forbid scripts in the file and caching by proxies.

    Raises FileNotFoundError.
    """
    response = file_response(request, path, content_type=content_type)
    # The content at an address never changes, and only this browser may cache it.
    response["Cache-Control"] = "private, max-age=86400, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def file_response(request: HttpRequest, path: Path, *, content_type: str) -> HttpResponseBase:
    """Serve the whole file, or the one byte range that the request names (206), or 416 if the file has none of its
    bytes.

    Serves the whole file for several ranges, units other than bytes and conditional ranges, as HTTP allows. Raises
    `FileMissing`, which is a FileNotFoundError, or `FileDamaged` for an unreadable file.
    """
    with reading(path) as file:
        size = file.seek(0, io.SEEK_END)
    part = _part(request, size)
    response: HttpResponseBase
    if part is None:
        response = FileResponse(path.open("rb"), content_type=content_type)
    elif not part:
        response = HttpResponse(status=416, content_type=content_type)
        response["Content-Range"] = f"bytes */{size}"
    else:
        response = StreamingHttpResponse(_blocks(path, part), status=206, content_type=content_type)
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        response["Content-Length"] = str(len(part))
    response["Accept-Ranges"] = "bytes"
    return response


def _part(request: HttpRequest, size: int) -> range | None:
    """Return the requested bytes, an empty range if the file has none of them, None for the whole file."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or "If-Range" in request.headers or len(asked[0]) > 50:
        return None
    first, last = (int(number) if number else None for number in asked.groups())
    if first is None:
        return None if last is None else range(max(0, size - last), size)
    if last is None:
        return range(first, size)
    return None if last < first else range(first, min(last + 1, size))


def _blocks(path: Path, part: range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.start)
        left = len(part)
        while left and (block := file.read(min(left, _BLOCK))):
            left -= len(block)
            yield block
