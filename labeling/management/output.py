"""The output of commands that write tables: a complete file or standard output."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from django.core.management.base import CommandError, OutputWrapper

from labeling.outgoing.formats import DEFAULT, EXPORTS, FORMATS
from labeling.storage.disk.files import replacing


def format_of(output: str, formats: Collection[str] = tuple(FORMATS)) -> str:
    """Return the format for the ending of a file's name; the default for other endings and for standard output."""
    matching = [name for name in formats if output.lower().endswith(EXPORTS[name].suffix)]
    return max(matching, key=lambda name: len(EXPORTS[name].suffix), default=DEFAULT)


def to_standard_output(stdout: OutputWrapper, chunks: Iterable[bytes], format_name: str) -> None:
    """Write the chunks until the reader closes the pipe. Raises `CommandError` for binary chunks on a terminal."""
    form = EXPORTS[format_name]
    if not form.is_text and stdout.isatty():
        raise CommandError(f"{form.title} is no text to show on a terminal: name a file with --output.")
    out = cast("IO[bytes]", stdout.buffer)
    try:
        for chunk in chunks:
            out.write(chunk)
        out.flush()
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Python must not flush again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` only after the block ends without an error. Raises `CommandError` for a bad
    path.
    """
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():
            raise CommandError(f"{path} is no ordinary file: use --output - and a redirection.")
        path.parent.resolve(strict=True)  # a folder that is misspelt is not made
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
