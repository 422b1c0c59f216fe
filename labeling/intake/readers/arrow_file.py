"""Arrow files and streams, and Feather: a process of its own writes them as Parquet, which is read."""

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from labeling.kinds.wording import MIB, printable

from .base import SourceFile, UnreadableFile
from .parquet_file import ParquetSource

_SCRIPT = Path(__file__).with_name("arrow_to_parquet.py")
_DAMAGED = "the file is not an Arrow file, or is damaged, cut short or too large: write it again, or as Parquet"
_PROBLEM = 3  # the script's status for a file that it refuses


class ArrowSource(ParquetSource):
    """The rows of an Arrow file, through a Parquet file that exists while the source is open."""

    def __init__(self, file: SourceFile) -> None:
        with ExitStack() as stack:
            copy = Path(stack.enter_context(NamedTemporaryFile(prefix="arrow-", suffix=".parquet")).name)
            _write_parquet(file, copy)
            super().__init__(replace(file, path=copy))
            self.path = file.path
            self._copy = stack.pop_all()

    def close(self) -> None:
        super().close()
        self._copy.close()


def _write_parquet(file: SourceFile, copy: Path) -> None:
    """Write the rows of the Arrow file as Parquet. Raises UnreadableFile."""
    most = min(file.limits.shards, max(64 * MIB, file.limits.unpack_ratio * file.path.stat().st_size))
    command = [sys.executable, "-I", str(_SCRIPT), str(file.path.absolute()), str(copy), str(most)]
    child = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  a fixed command
    if child.returncode:
        reason = child.stderr.decode(errors="replace") if child.returncode == _PROBLEM else _DAMAGED
        raise UnreadableFile(f"{file.name}: {printable(reason)}")
