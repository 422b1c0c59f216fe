"""Test that `predict` gives a file's items the pool's predictions and names unreadable rows, and that `export_model`
does so in another runtime.
"""

import csv
import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import onnxruntime
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from factories import DIGITS, digit_png, make_project
from processes import manage
from snapshots import Snapshot
from trained import CLASSES, on_file, text_rows, trained_project, write_rows

from labeling.models import Item, Project
from labeling.storage.arrays.files import ProjectFiles
from models_store import encoders
from models_store.encoders import TfidfSvd
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "texts.jsonl", text_rows())


@pytest.fixture
def project(snapshot: Snapshot, texts: Path) -> Project:
    """Create a project of the texts with a trained version, once for all tests."""
    if not snapshot.lay():
        trained_project(texts)
        snapshot.keep()
    return Project.objects.get()


def predicted(path: Path, *options: str) -> list[dict[str, Any]]:
    out = path.parent / "out.jsonl"
    call_command("predict", "p", str(path), "--output", str(out), *options)
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("question", some(["multi", "single", "verify"]))
def test_the_same_items_are_taken_for_the_same_as_in_the_pool(tmp_path: Path, question: str) -> None:
    path = write_rows(tmp_path / "texts.jsonl", text_rows(question))
    project = trained_project(path, question=question)
    rows = predicted(path, "--probabilities")
    said = on_file(project)
    assert [row["external_id"] for row in rows] == [f"t{n}" for n in range(60)]
    for row in rows:
        there, p = said[row["external_id"]], row["probabilities"]
        assert row["margin"] == pytest.approx(there["margins"], abs=1e-5)
        if question == "single":
            assert row["label"] == CLASSES[int(there["best"])] == max(p, key=p.__getitem__)
            assert row["confidence"] == pytest.approx(there["confidence"], abs=1e-5) == p[row["label"]]
            assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        elif question == "verify":
            assert row["label"] is bool(there["best"]) is (p["yes"] >= 0.5)
            assert row["proposed"] in CLASSES
            assert p["no"] == pytest.approx(1 - p["yes"], abs=1e-5)
        else:
            assert row["label"] == [name for name in CLASSES if p[name] >= 0.5]
            assert row["confidence"] == [p[name] for name in row["label"]]
    assert Item.objects.count() == 60, "none entered the pool"


def test_every_format_holds_the_same_rows(project: Project, texts: Path, tmp_path: Path) -> None:
    rows = predicted(texts, "--probabilities")
    for name in ("out.csv", "out.parquet"):
        call_command("predict", "p", str(texts), "--output", str(tmp_path / name), "--probabilities")
    columns = ["where", "external_id", "label", "confidence", "margin", "p_sport", "p_food"]
    with (tmp_path / "out.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "out.parquet")
    assert list(cells[0]) == table.column_names == columns
    for row, cell, typed in zip(rows, cells, table.to_pylist(), strict=True):
        flat = {**row, **{f"p_{name}": p for name, p in row["probabilities"].items()}}
        for column in columns:
            expected = flat[column]
            if isinstance(expected, float):
                assert float(cell[column]) == expected
                assert typed[column] == pytest.approx(expected, rel=1e-6)
            else:
                assert cell[column] == typed[column] == expected


@pytest.mark.long
def test_images_of_a_zip_whatever_its_folders_are_called(tmp_path: Path) -> None:
    def pictures(name: str, first: int, n: int) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for number in range(first, first + n):
                archive.writestr(f"{number % 10}/{number}.png", digit_png(number))
        return tmp_path / name

    project = trained_project(pictures("pool.zip", 0, 60), kind="image", classes=DIGITS)
    rows = predicted(pictures("new.zip", 100, 5))
    assert [row["where"] for row in rows] == [f"{n % 10}/{n}.png" for n in range(100, 105)]
    assert project.items.count() == 60


@pytest.mark.long
def test_bad_rows_are_named_and_left_out_and_strict_writes_nothing(
    project: Project, tmp_path: Path, capsys: Any
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "ball"}\nnonsense\n{"words": 1}\n{"text": "soup", "truth": "not a class"}\n')
    out, rejected = tmp_path / "out.csv", tmp_path / "rejected.csv"
    out.write_text("as it was")
    with pytest.raises(CommandError, match=r"^Nothing was written: line 2: "):
        call_command("predict", "p", str(bad), "--output", str(out), "--strict")
    assert out.read_text() == "as it was"
    assert list(tmp_path.glob(".*")) == [], "no draft is left"
    with pytest.raises(CommandError, match=r"^2 bad rows were left out: all are in .*rejected\.csv\.$"):
        call_command("predict", "p", str(bad), "--output", str(out), "--rejected", str(rejected))
    written = capsys.readouterr()
    assert "line 2: " in written.err
    assert "line 3: " in written.err
    assert f"2 items predicted by version 1, written to {out}" in written.out
    for path, lines in ((out, ["line 1", "line 4"]), (rejected, ["line 2", "line 3"])):
        with path.open(newline="") as file:
            assert [row["where"] for row in csv.DictReader(file)] == lines


@pytest.mark.long
def test_on_the_shell_standard_output_is_the_table_and_the_exit_code_tells(
    project: Project, texts: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nonsense\n")
    # Both at once, because a process takes seconds to start.
    fine = manage("predict", "p", str(texts), "--version", "1", "--output", "-", "--format", "csv")
    process = manage("predict", "p", str(bad), "--output", str(tmp_path / "out.jsonl"))
    output = fine.communicate()[0]
    assert fine.returncode == 0
    assert len(list(csv.reader(io.StringIO(output)))) == 61, output
    assert process.communicate()[0].splitlines()[-1].startswith("CommandError: 1 bad row was left out")
    assert process.returncode == 1


MISTAKES = [
    (["nowhere", "texts.jsonl"], "There is no project 'nowhere'."),
    (["p", "texts.jsonl", "--version", "7"], "p has no model version 7: there are 1 to 1."),
    (["p", "missing.jsonl"], "missing.jsonl: this file or folder does not exist"),
    (["p", "texts.docx"], "this kind of file is not read"),
    (["p", "texts.jsonl", "--output", "."], "is a folder: name a file in it."),
]


def test_each_mistake_gets_one_line(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts.docx").write_text("words")
    for arguments, says in MISTAKES:
        output = [] if "--output" in arguments else ["--output", "out.jsonl"]
        with pytest.raises(CommandError) as caught:
            call_command("predict", *arguments, *output)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not Path("out.jsonl").exists()


@pytest.mark.long
def test_without_a_version_and_with_a_damaged_one_or_another_encoder(
    project: Project, texts: Path, tmp_path: Path
) -> None:
    make_project("empty")
    with pytest.raises(CommandError, match="no model version yet"):
        call_command("predict", "empty", str(texts), "--output", str(tmp_path / "out.jsonl"))
    path = ProjectFiles(project).encoder(project.features_generation)
    encoder = path.read_bytes()
    TfidfSvd.fit(["quite other words", "than before"]).save(path)
    with pytest.raises(CommandError, match="another encoder"):
        predicted(texts)
    path.write_bytes(encoder)
    weights = next((tmp_path / "data/projects" / str(project.pk) / "models").rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CommandError, match="Model version 1 cannot be loaded"):
        predicted(texts)
    with pytest.raises(CommandError, match="Model version 1 cannot be loaded"):
        call_command("export_model", "p", "--output", str(tmp_path / "p.onnx"))
    assert not (tmp_path / "p.onnx").exists()


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(project: Project, tmp_path: Path, texts: Path) -> None:

    def peak(n: int) -> int:
        path = write_rows(tmp_path / "many.jsonl", [{"text": "ball goal " * 20}] * n)
        tracemalloc.start()
        call_command("predict", "p", str(path), "--output", str(tmp_path / "out.jsonl"))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(500)  # what is loaded once does not count
    # The lesser of two: other threads of the process are counted too, and may just be loading something.
    assert min(peak(6000), peak(6000)) < 1.3 * peak(1500) + 200_000


@pytest.mark.long
def test_as_in_the_how_to(tmp_path: Path, capsys: Any) -> None:
    rows = text_rows()
    project = trained_project(write_rows(tmp_path / "texts.jsonl", rows))
    graph, saved = tmp_path / "p.onnx", tmp_path / "encoder.npz"
    call_command("export_model", "p", "--output", str(graph), "--encoder", str(saved))
    assert "Version 1 written to" in capsys.readouterr().out
    encoder, session = encoders.load(saved), onnxruntime.InferenceSession(graph)
    said = session.get_modelmeta().custom_metadata_map
    features = encoder.encode([row["text"] for row in rows])
    p, _ = session.run(None, {"features": features.reshape(-1, *encoder.input_shape)})
    pool = on_file(project)
    for row, found in zip(rows, p, strict=True):
        there = pool[row["id"]]
        assert found.argmax() == there["best"]
        assert found.max() == pytest.approx(there["confidence"], abs=1e-5)
    assert json.loads(said["classes"]) == ["sport", "food"]
    assert (said["project"], said["version"], said["question"]) == ("p", "1", "single")
    assert said["digest"] == project.versions.get().digest
    assert json.loads(said["encoder"])["digest"] == encoder.digest
