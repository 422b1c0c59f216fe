"""Test that benchmarks refuse bad input in words, before they do anything."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PRIVACY = "privacy.__main__"
# The benchmark, its arguments, and what it says; the last are those that say it in several lines, or after others.
IN_ONE_LINE: list[tuple[str, str, str]] = [
    ("calibration", "--vectors x.npy", "--vectors and --labels go together."),
    ("calibration", "--seeds 0", "--seeds is a whole number of at least 1, not 0."),
    ("calibration", "--labels-seen -3", "--labels-seen is a whole number of at least 1, not -3."),
    ("calibration", "--test-share 1", "--test-share lies between 0 and 1, not at 1."),
    ("calibration", "--data digits --network convnet", "--network convnet takes images"),
    ("calibration", "--picked", "--picked needs --labels-seen"),
    ("calibration", "--data", "name at least one data set"),
    ("calibration", "--data cats", "invalid choice: 'cats'"),
    ("calibration", "--fashion /nowhere", "Fashion-MNIST cannot be read from /nowhere"),
    ("calibration", "--vectors /nowhere/x.npy --labels /nowhere/y.npy", "/nowhere/x.npy: cannot be read"),
    ("label_efficiency", "--data mnist", "'mnist' is none of fashion, redundant, longtail, digits"),
    ("label_efficiency", "--strategies best", "'best' is none of"),
    ("label_efficiency", "--seeds 0", "'0' is not a whole number of at least 1"),
    ("label_efficiency", "--candidate-factor nan", "'nan' is not a number of at least 1"),
    ("label_efficiency", "--test-share 1", "'1' is not a number between 0 and 1"),
    ("label_efficiency", "--rounds 2 --budget 100", "not allowed with"),
    ("label_efficiency", "--vectors X.npy", "--vectors and --labels go together"),
    ("label_efficiency", "--data digits --network convnet", "--network convnet takes images"),
    ("label_efficiency", "--data digits --budget 4000", "4000 labels are asked for, the pool holds 1258 items"),
    ("label_efficiency", "--data digits --batch 50 --budget 60", "a budget of 60 leaves no batch of 50"),
    ("label_efficiency", "--data fashion --fashion /nowhere", "install Debian's package dataset-fashion-mnist"),
    ("label_efficiency", "--vectors /no/X.npy --labels /no/y.npy", "cannot be read as a .npy file"),
    (PRIVACY, "--vectors X.npy", "--vectors and --labels go together"),
    (PRIVACY, "--vectors /no/X.npy --labels /no/y.npy", "cannot be read as a .npy file"),
    (PRIVACY, "--fashion /nowhere", "install Debian's package dataset-fashion-mnist"),
    (PRIVACY, "--epsilon 0", "not a number from 0.05 to 100: '0'"),
    (PRIVACY, "--epsilon 1,x", "not a number from 0.05 to 100: 'x'"),
    (PRIVACY, "--seeds 0", "not a whole number of at least 1: '0'"),
    (PRIVACY, "--test-share 1", "not a share from 0.01 to 0.99: '1'"),
    (PRIVACY, "--texts {folder}/texts.txt", "privacy: 2 texts are too few; at least 4,000 are needed."),
    (PRIVACY, "--vectors {folder}/X.npy --labels {folder}/y.npy", "at least 100 are needed"),
    ("payoff", "--vectors {folder}/none.npy --labels {folder}/none.npy", "none.npy"),
    ("machines", "--data digits --sizes 1790", "1790 labels and 179 control items are asked for, of 1797"),
    ("gold", "--sure 2", "gold: --sure must lie between 0 and 1, and --people be at least 1."),
]
IN_LINES: list[tuple[str, str, str]] = [
    (PRIVACY, "--audit --canaries 3", "not a number from 20 to 10,000: '3'"),
    (PRIVACY, "--layers lora", "--layers needs --fields"),
    (PRIVACY, "--fields --layers some", "not some of lora, all: 'some'"),
    ("human_seconds", "--vectors x.npy", "--vectors and --labels go together"),
    ("human_seconds", "--vectors /no/x.npy --labels /no/y.npy", "cannot be read as a .npy file"),
    ("human_seconds", "--pools digits --rounds 40", "labels are asked for, the pool holds"),
    ("human_seconds", "--seeds 0", "are at least 1"),
    ("human_seconds", "--person-error 1", "--person-error from 0 to below 1"),
    ("finish", "--vectors X.npy", "error:"),
    ("finish", "--seeds 0", "error:"),
    ("finish", "--targets 2", "error:"),
    ("machines", "--vectors X.npy", "--vectors and --labels go together"),
    ("machines", "--sizes 1", "--sizes at least 2"),
    ("finish", "--person-error 0.7", "error:"),
    ("finish", "--near-copies -1", "error:"),
    ("finish", "--pools digits --each-class --processes 1", "--each-class"),
    ("finish", "--vectors {folder}/X.npy --labels {folder}/two.npy --processes 1", "two.npy: expected 0 and 1"),
    *(("open_images.__main__", f"--{name} 0", "at least 1") for name in ("items", "batch", "classes")),
]


@pytest.mark.parametrize(
    ("benchmark", "arguments", "said", "lines"),
    [*((*each, 1) for each in IN_ONE_LINE), *((*each, None) for each in IN_LINES)],
)
def test_bad_input_is_refused(
    benchmark: str, arguments: str, said: str, lines: int | None, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    np.save(tmp_path / "X.npy", np.zeros((50, 2)))
    np.save(tmp_path / "y.npy", np.arange(50) % 2)
    np.save(tmp_path / "two.npy", np.tile([[0, 2], [1, 0]], (25, 1)))
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    given = arguments.format(folder=tmp_path).split()
    monkeypatch.setattr("sys.argv", [benchmark, *given])
    main = importlib.import_module(f"benchmarks.{benchmark}").main
    try:
        status = main() if benchmark.startswith("open_images") else main(given)
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr()
    assert status == 2
    assert said in told.err
    assert lines is None or (told.out, told.err.count("\n")) == ("", lines)
