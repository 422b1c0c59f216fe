"""Test that arrays in tar files are read only if they are whole."""

import io
import tarfile
from pathlib import Path

import numpy as np
from import_files import checked, rules, split, write

END = bytes(1024)


def entry(name: str, content: bytes, *, size: int | None = None, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a file as it stands in a tar file; `size` is the size that its header states."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def saved(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def test_an_array_that_is_not_whole_rejects_its_row_alone(tmp_path: Path) -> None:
    good = saved([1.5, 2.0])
    huge = good.replace(b"(2,), }" + b" " * 12, b"(2000000000000,), }")
    bad = [huge, good.replace(b"(2,), }" + b" ", b"(-2,), }"), good[:-1], good[:40], b"", saved(1.0), saved([[1.0]]),
           saved(["a"]), saved([None])]  # fmt: skip
    content = b"".join(entry(f"{number}.npy", each) for number, each in enumerate([*bad, good]))
    drafts, rejected = split(checked(write(tmp_path / "a.tar", content + END), rules("vector")))
    assert [draft.vector.tolist() for draft in drafts] == [[1.5, 2.0]]
    reason = "Its .npy is no whole array of numbers in 1 dimension: save it again with numpy.save."
    assert len(huge) == len(good)
    assert [(row.where, row.reason) for row in rejected] == [(f"sample {number}", reason) for number in range(len(bad))]
