"""The entries of an English dictionary, GCIDE, as the Debian package dict-gcide installs it (GPL-2+)."""

import gzip
import re
import string
from pathlib import Path

from benchmarks.efficiency.datasets import DataError

FOLDER = Path("/usr/share/dictd")
SHORTEST = 40
SUBJECTS = ("Zool", "Bot", "Med", "Chem", "Law", "Mus", "Naut", "Arch", "Min", "Mil")
"""Fields in brackets, such as "(Zo\\xf6l.)", that many entries name."""
_DIGITS = {
    digit: value for value, digit in enumerate(string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/")
}


def entries(folder: Path = FOLDER) -> list[str]:
    """Return the entries in the order of the file, without very short ones. Raises DataError if there is none."""
    try:
        data = gzip.decompress((folder / "gcide.dict.dz").read_bytes())
        lines = (folder / "gcide.index").read_text(encoding="utf-8").splitlines()
        spans = {tuple(map(_number, line.split("\t")[1:])) for line in lines if not line.startswith("00-")}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{folder} holds no GCIDE ({error}): apt-get install dict-gcide, or give --texts.") from error
    texts = (" ".join(data[at : at + length].decode(errors="replace").split()) for at, length in sorted(spans))
    return [text for text in texts if len(text) >= SHORTEST]


def subject(text: str) -> tuple[str, int] | None:
    """Return an entry without the name of its field, and the field's place in SUBJECTS; None if it names none or
    several.
    """
    pattern = r"\((Zo\S*l|{})\.?\)".format("|".join(SUBJECTS[1:]))
    named = {"Zool" if name.startswith("Zo") else name for name in re.findall(pattern, text)}
    if len(named) != 1:
        return None
    return re.sub(pattern, "", text), SUBJECTS.index(named.pop())


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = 64 * number + _DIGITS[digit]
    return number
