"""Images from outside are opened in a process of their own, `raster.py`, one after the other, and nowhere else here."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from .base import MIB, BadImage, too_large

MAX_PIXELS = 50_000_000
MAX_BYTES = 20 * MIB

# Each thread of numpy's would reserve tens of megabytes of what the process may take.
_COMMAND = [
    *("/usr/bin/env", "OPENBLAS_NUM_THREADS=1"),
    *(sys.executable, "-I", str(Path(__file__).with_name("raster.py"))),
]
_TOO_MUCH = "!takes too much memory or time to be opened: make it smaller, or export it again"

# The suffix of an image and, if browsers need another, that image; a suffix that begins with "!" is a refusal.
_Answer = tuple[str, bytes]


def open_images(
    images: Sequence[bytes], *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> Iterator[tuple[bytes, str] | BadImage]:
    """Of each image, in order: what browsers can show, all but TIFF as it is, with the suffix of its real format; or
    why it is refused. Many small ones at a time are opened quicker than one by one.
    """
    checked = [(image, _problem(image, max_bytes)) for image in images]
    answers = _opener.answers([image for image, problem in checked if not problem], max_pixels)
    for image, problem in checked:
        suffix, png = (f"!{problem}", b"") if problem else next(answers)
        yield BadImage(suffix[1:]) if suffix.startswith("!") else (png or image, suffix)


def open_image(image: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> tuple[bytes, str]:
    """As `open_images` has it, of one. Raises BadImage."""
    opened = next(open_images([image], max_bytes=max_bytes, max_pixels=max_pixels))
    if isinstance(opened, BadImage):
        raise opened
    return opened


def _problem(image: bytes, max_bytes: int) -> str:
    if len(image) > max_bytes:
        return too_large(max_bytes)
    return "" if image else "is empty"


class _Opener:
    """The process that opens images: started with the first of them, and anew when it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_by = 0

    def answers(self, images: list[bytes], max_pixels: int) -> Iterator[_Answer]:
        done = 0
        while done < len(images):
            some = self._ask(images[done:], max_pixels)
            done += len(some)
            yield from some

    def _ask(self, images: list[bytes], max_pixels: int) -> list[_Answer]:
        """Its answers to the first of the images, to one or more."""
        answers: list[_Answer] = []
        with self._lock:
            for _ in range(2):
                process = self._running()
                try:
                    _send(process.stdin, images, max_pixels)
                    answers.extend(_received(process.stdout, len(images)))
                except (BrokenPipeError, EOFError):
                    if self._end() == 0 and not answers:
                        continue  # it has ended for want of work just before this came
                    return [*answers, (_TOO_MUCH, b"")]
                except BaseException:
                    self._end()  # what is left of its answers must not be taken for the next ones
                    raise
                return answers
        return [(_TOO_MUCH, b"")]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._started_by != os.getpid():  # a fork's is its parent's
            self._started_by = os.getpid()
            self._process = subprocess.Popen(  # noqa: S603  a fixed command
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert self._process.stdout is not None
            if not self._process.stdout.read(1):
                self._end()
                raise OSError("the program that opens images does not start: see the server's Python")
        return self._process

    def _end(self) -> int:
        """Its exit status; it is ended first if need be."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()
        return process.wait()


def _send(stream: IO[bytes] | None, images: list[bytes], max_pixels: int) -> None:
    assert stream is not None
    stream.write(struct.pack(f">II{len(images)}I", len(images), max_pixels, *map(len, images)))
    for image in images:
        stream.write(image)
    stream.flush()


def _received(stream: IO[bytes] | None, count: int) -> Iterator[_Answer]:
    """The answers as they come: all, or the first of them. Raises EOFError if the process ends meanwhile."""
    assert stream is not None
    for _ in range(count):
        lengths = struct.unpack(">II", _read(stream, 8))
        if not any(lengths):
            return
        suffix, png = (_read(stream, length) for length in lengths)
        yield suffix.decode(), png


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


_opener = _Opener()
