"""Functions that damage a file."""

import os
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]


def empty(path: Path) -> None:
    os.truncate(path, 0)


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Flip a bit in the middle of the file."""
    flip_at(path, path.stat().st_size // 2)


def flip_at(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def lose(path: Path) -> None:
    path.unlink()


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_a_loop(path: Path) -> None:
    """Replace the file by a link to itself, which not even root can open."""
    path.unlink()
    path.symlink_to(path)


WAYS: list[Damage] = [empty, halve, flip, lose, put_a_folder, put_a_loop]
"""All of them."""
