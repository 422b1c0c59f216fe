"""Test that encoder options are checked when set, and name only files in the folder of weights."""

from pathlib import Path
from typing import Any

import pytest

from models_store import encoders
from models_store.encoders.options import Option, OptionError, settled

OPTIONS = {
    "weights": Option("A file.", weights=True),
    "prompt": Option("A text.", default=""),
    "size": Option("Pixels.", default=0, high=1024),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "a.safetensors").touch()
    (tmp_path / "secret").touch()
    return folder


def test_what_is_left_out_has_its_default_and_weights_become_a_path(folder: Path) -> None:
    given = {"weights": "a.safetensors", "size": 96}
    assert settled(OPTIONS, given, folder) == {"weights": folder / "a.safetensors", "prompt": "", "size": 96}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "weights is missing: A file."),
        ({"weights": None}, "weights is missing: A file."),
        ({"weight": "x"}, "there is no option 'weight'; known: weights, prompt, size."),
        ({"weights": 7}, "weights must be a text of at most 200 characters in one line."),
        ({"weights": "b"}, "weights: there is no 'b' in the server's folder of weights. There is: a.safetensors."),
        (
            {"weights": "../secret"},
            "weights: there is no '../secret' in the server's folder of weights. There is: a.safetensors.",
        ),
        ({"weights": "."}, "weights: there is no '.' in the server's folder of weights. There is: a.safetensors."),
        (
            {"weights": "a.safetensors", "prompt": "a\nb"},
            "prompt must be a text of at most 200 characters in one line.",
        ),
        (
            {"weights": "a.safetensors", "prompt": "x" * 201},
            "prompt must be a text of at most 200 characters in one line.",
        ),
        ({"weights": "a.safetensors", "size": 1025}, "size must be a whole number from 0 to 1024, not 1025."),
        ({"weights": "a.safetensors", "size": True}, "size must be a whole number from 0 to 1024, not True."),
        ({"weights": "a.safetensors", "size": "96"}, "size must be a whole number from 0 to 1024, not '96'."),
    ],
)
def test_what_will_not_do_is_told_in_one_line(folder: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError) as error:
        settled(OPTIONS, given, folder)
    assert str(error.value) == said


def test_an_absolute_path_is_no_name(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"there is no ./.*secret."):
        settled(OPTIONS, {"weights": str(folder.parent / "secret")}, folder)


def test_a_folder_that_is_not_there_holds_nothing_yet(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"There is: nothing yet\."):
        settled(OPTIONS, {"weights": "a"}, tmp_path / "none")


def test_every_encoder_says_what_it_is_and_what_its_options_are() -> None:
    for encoder in encoders.ENCODERS:
        assert encoder.meaning.endswith(".")
        assert all(option.meaning.endswith(".") for option in encoder.options.values())
