"""The forms of files that imports read: the suffixes of each, and its reader.

To add a form, write its reader, a function from a `SourceFile` to a `Source`, and list it in `FORMS`.
"""

from collections.abc import Callable
from typing import NamedTuple

from labeling.intake.readers.parquet_file import ArrowSource

from .base import Source, SourceFile
from .csv_file import CsvSource
from .json_file import JsonLinesSource, open_json
from .lines import form_suffix
from .npy_file import NpySource
from .parquet_file import ParquetSource
from .tar_file import TarSource
from .xlsx_file import XlsxSource


class Form(NamedTuple):
    """A form of files. `magics`: what such files begin with. `is_text`: they have an encoding, and gzip may pack them.

    `reader` opens such a file, and raises UnreadableFile; None for a zip file, which is read like a folder.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: Callable[[SourceFile], Source] | None
    magics: tuple[bytes, ...] = ()
    is_text: bool = False


_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
FORMS = (
    Form("csv", (".csv", ".tsv"), CsvSource, is_text=True),
    Form("json lines", (".jsonl", ".ndjson"), JsonLinesSource, is_text=True),
    Form("json", (".json",), open_json, is_text=True),
    Form("parquet", (".parquet",), ParquetSource, (b"PAR1",)),
    Form("arrow", (".arrow", ".feather", ".ipc"), ArrowSource, (b"ARROW1", b"FEA1")),
    Form("npy", (".npy",), NpySource, (b"\x93NUMPY",)),
    Form("zip", (".zip",), None, _ZIP),
    Form("xlsx", (".xlsx",), XlsxSource, _ZIP),
    Form("tar", (".tar",), TarSource),
)
"""All forms. Of forms that begin alike, the first is that of a file with an unknown suffix."""
_BY_SUFFIX = {suffix: form for form in FORMS for suffix in form.suffixes}


def form_of_suffix(name: str) -> Form | None:
    """Return the form of a file with this name, by its suffix; None if no such file is read."""
    return _BY_SUFFIX.get(form_suffix(name))
