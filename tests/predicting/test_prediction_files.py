"""Test the files of predictions that are handed in: each form gives the same predictions, a bad file is refused."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from handed import lines, npz

from labeling.intake.prediction_files import Expected, open_predictions
from labeling.intake.readers import UnreadableFile

EXPECTED = Expected(classes={"a": 0, "b": 1, "c": 2, "was c": 2}, n_classes=3, rows=10, adds_up=True, proposes=False)
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], np.float32)
E = np.array([[1, 2], [3, 4]], np.float32)
ROWS = [
    {"external_id": "i0", "probabilities": {"c": 0.1, "a": 0.7, "b": 0.2}, "embedding": [1, 2]},
    {"external_id": "i1", "probabilities": {"a": 0.1, "b": 0.8, "c": 0.1}, "embedding": [3, 4]},
]
ORDER = ["c", "a", "b"]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def columns(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with a column for each class."""
    probabilities = {f"p_{name}": p for name, p in row["probabilities"].items()}
    return {"id": row["external_id"], "embedding": row["embedding"], **probabilities}


def read(
    tmp_path: Path, name: str, content: bytes, expected: Expected = EXPECTED
) -> tuple[list[str], np.ndarray, np.ndarray]:
    path = tmp_path / name
    path.write_bytes(content)
    with open_predictions(path, name=name, expected=expected) as file:
        blocks = list(file.blocks())
    ids = [each for block in blocks for each in block.ids]
    return ids, *(np.concatenate([getattr(block, part) for block in blocks]) for part in ("scores", "embeddings"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.npz", npz(ids=["i0", "i1"], probabilities=P[:, [2, 0, 1]], classes=ORDER, embeddings=E)),
        ("p.npz", npz(ids=[b"i0", b"i1"], probabilities=P.astype("f8"), classes=["a", "b", "was c"], embeddings=E)),
        ("p.jsonl", lines(ROWS)),
        ("p.parquet", parquet(ROWS)),
        ("p.parquet", parquet([columns(each) for each in ROWS])),
    ],
)  # fmt: skip
def test_each_form_gives_the_probabilities_in_the_order_of_the_project(
    tmp_path: Path, name: str, content: bytes
) -> None:
    ids, scores, embeddings = read(tmp_path, name, content)
    assert ids == ["i0", "i1"]
    np.testing.assert_allclose(scores, P, atol=1e-6)
    np.testing.assert_array_equal(embeddings, E)


def test_a_class_that_the_model_does_not_know_has_probability_0(tmp_path: Path) -> None:
    _, scores, _ = read(tmp_path, "p.npz", npz(ids=["i0"], probabilities=[[0.4, 0.6]], classes=["c", "a"]))
    np.testing.assert_allclose(scores, [[0.6, 0, 0.4]], atol=1e-6)


def test_a_margin_is_kept_and_names_no_class(tmp_path: Path) -> None:
    for name, content in (
        ("p.npz", npz(ids=["i0", "i1"], margins=[0.0, 0.5])),
        ("p.csv", b"id,margin\ni0,0\ni1,0.5\n"),
    ):
        _, scores, embeddings = read(tmp_path, name, content)
        np.testing.assert_allclose(scores[:, 0] - scores[:, 1], [0, 0.5], atol=1e-6)
        assert embeddings.shape == (2, 0)


def test_a_label_with_its_confidence_gives_the_flattest_probabilities(tmp_path: Path) -> None:
    _, scores, _ = read(tmp_path, "p.jsonl", lines([{"id": "i0", "label": "b", "confidence": 0.8}]))
    np.testing.assert_allclose(scores, [[0.1, 0.8, 0.1]], atol=1e-6)
    _, scores, _ = read(tmp_path, "p.jsonl", lines([{"id": "i0", "label": "b", "confidence": 0.0}]))
    assert scores.argmax() == 1, "less sure than a guess, and still the best"


def test_yes_and_no_take_one_number_and_several_classes_need_not_add_up(tmp_path: Path) -> None:
    verify = EXPECTED.__class__(classes=EXPECTED.classes, n_classes=3, rows=10, adds_up=False, proposes=True)
    for content in (
        lines([{"id": "i0", "probabilities": {"yes": 0.9, "no": 0.1}}]),
        lines([{"id": "i0", "label": False, "confidence": 0.1}]),
    ):
        _, scores, _ = read(tmp_path, "p.jsonl", content, verify)
        np.testing.assert_allclose(scores, [[0.9]], atol=1e-6)
    multi = EXPECTED.__class__(classes=EXPECTED.classes, n_classes=3, rows=10, adds_up=False, proposes=False)
    _, scores, _ = read(tmp_path, "p.npz", npz(ids=["i0"], probabilities=[[0.9, 0.9]], classes=["a", "c"]), multi)
    np.testing.assert_allclose(scores, [[0.9, 0, 0.9]], atol=1e-6)


def truncated(array: str) -> bytes:
    """Return a file in which the array's entries are missing behind its header."""
    whole, file = zipfile.ZipFile(io.BytesIO(GOOD)), io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, content[:128] if name == f"{array}.npy" else content)
    return file.getvalue()


OBJECTS = npz(ids=np.array(["i0", None]), probabilities=P, classes=["a", "b", "c"])
GOOD = npz(ids=["i0", "i1"], probabilities=P, classes=["a", "b", "c"])
BAD: list[tuple[str, bytes, str]] = [
    ("p.npz", b"not a zip", "this is no .npz file"),
    ("p.npz", GOOD[: len(GOOD) // 2], "this is no .npz file"),
    ("p.npy", b"x", "predictions are read from files that end in .npz"),
    ("p.npz", OBJECTS, "the array “ids” is of the type object: save texts"),
    ("p.npz", npz(probabilities=P, classes=["a", "b", "c"]), "the array “ids” is missing"),
    ("p.npz", npz(ids=["i0", "i1"]), "the array “margins” is missing"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=P), "“classes” is missing"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=P, classes=["a", "b", "x"]), "the project has no class “x”"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=P, classes=["a", "c", "was c"]), "the class “was c” occurs twice"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=P, classes=["a", "b"]), "has 3 columns, and “classes” 2 names"),
    ("p.npz", npz(ids=["i0"], probabilities=P, classes=["a", "b", "c"]), "has 2 rows, and “ids” 1"),
    ("p.npz", npz(ids=["i" * 9_000], margins=[0.5]), "“ids” has room for texts of 36,000 bytes: save shorter ones"),
    ("p.npz", npz(ids=["i0"], probabilities=P[:1], classes=["a" * 9_000, "b", "c"]), "“classes” has room for texts"),
    ("p.npz", npz(ids=["i0"], probabilities=np.ones((1, 4)), classes=["a"]), "has 4 columns, and the project has 3"),
    ("p.npz", truncated("classes"), "the array “classes” is damaged: write the file again"),
    ("p.npz", npz(ids=["i"] * 11, margins=np.zeros(11)), "there are 11 ids, but the project has 10 items"),
    ("p.npz", npz(ids=["i0", "i1"], margins=P), "“margins” must have one number for each item, not 3"),
    ("p.npz", npz(ids=["i0", "i1"], margins=[0.5, 1.5]), "row 2 (item “i1”): a margin is not between 0 and 1"),
    ("p.npz", npz(ids=["i0", "i1"], margins=[0.5, np.nan]), "row 2 (item “i1”): a margin is missing or no fini"),
    ("p.npz", npz(ids=["i0", "i1"], margins=[0, 1], logits=[0, 1]), "the array “logits” is not known"),
    ("p.npz", npz(ids=["i0", "i1"], margins=["0", "1"]), "the array “margins” is of the type <U1"),
    ("p.npz", npz(ids=["i0", "i1"], margins=np.zeros((2, 1, 1))), "has the shape (2, 1, 1)"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=2 * P, classes=["a", "b", "c"]), "a probability is not between"),
    ("p.npz", npz(ids=["i0", "i1"], probabilities=P / 2, classes=["a", "b", "c"]), "add up to 0.5, not to 1"),
    ("p.npz", npz(ids=["i0", "i1"], margins=[0.0, 1.0], embeddings=E * np.inf), "has a number that is not finite"),
    ("p.jsonl", b"{}\n", "line 1: a row needs “probabilities”"),
    ("p.jsonl", b"nonsense\n", "line 1: the row is not valid JSON"),
    ("p.jsonl", lines([{"margin": 1}]), "line 1: the id of the item is missing"),
    ("p.jsonl", lines([{"id": "i0", "margin": 1}, {"id": "i1", "label": "a"}]), "line 2: the margin is missing"),
    ("p.jsonl", lines([{"id": "i0", "probabilities": [1, 0, 0]}]), "must be an object with a number for each class"),
    ("p.jsonl", lines([{"id": "i0", "probabilities": {"a": "much"}}]), "the probability is missing or no number"),
    ("p.jsonl", lines([{"id": "i0", "label": ["a", "b"], "confidence": 1}]), "the label must be the name of a class"),
    ("p.jsonl", lines([{**ROWS[0]}, {**ROWS[1], "embedding": [1]}]), "line 2: the embedding has 1 numbers"),
    ("p.jsonl", lines([{**ROWS[0], "embedding": "x"}]), "the embedding must be a list of numbers"),
]  # fmt: skip


def test_a_bad_file_is_refused_in_one_line_that_names_the_place(tmp_path: Path) -> None:
    wrong = []
    for name, content, reason in BAD:
        try:
            read(tmp_path, name, content)
        except UnreadableFile as error:
            text = str(error)
            if reason not in text or "\n" in text:
                wrong.append((reason, text))
        else:
            wrong.append((reason, "was accepted"))
    assert not wrong
