"""Test that the code in docs/how-to/use-an-export.md loads an export with the expected types and rows."""

import ast
import datetime
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
import pytest
from factories import make_member, make_project
from labeled import answer, answer_all, make_batch, make_items, train

from labeling.insight.status import status_of
from labeling.models import Correction, Item, Project
from labeling.outgoing.exports import export
from labeling.outgoing.formats import FORMATS
from tests.extent import some

pytestmark = pytest.mark.django_db

PAGE = (Path(__file__).parents[2] / "docs/how-to/use-an-export.md").read_text(encoding="utf-8")
LIBRARIES = ("pandas", "polars", "datasets", "pyarrow")
QUESTIONS = ("single", "multi", "verify")
TIMES = ("labeled_at", "corrected_at")

Load = Callable[[str, str], Any]


@pytest.fixture
def datasets() -> Any:
    """Import the library, which takes long, for tests that use it."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # it is read at the import: nothing but this machine is to be reached
    import datasets

    return datasets


@pytest.fixture
def load(datasets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Run the page's code for a library and a format in the folder of the files, and return its `rows`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = {"pd": pd, "pl": pl, "pyarrow": pyarrow, "load_dataset": datasets.load_dataset}

    def run(library: str, name: str) -> Any:
        block = PAGE.split(f"## {library}")[1].split("```python\n")[1].split("```")[0]
        (line,) = (ast.unparse(each) for each in ast.parse(block).body if f"labels.{name}" in ast.unparse(each))
        exec(line, names)
        return names["rows"]

    return run


def write(project: Project, folder: Path) -> list[dict[str, Any]]:
    """Write the export in all formats to the folder; return the rows of the JSONL file."""
    for name, fmt in FORMATS.items():
        (folder / f"labels{fmt.suffix}").write_bytes(b"".join(export(project, name)))
    return [json.loads(line) for line in (folder / "labels.jsonl").read_bytes().splitlines()]


def awkward_project(question: str) -> Project:
    """Create two batches, the first without a model, with skips, flags, a correction, control items and difficult class
    names.
    """
    project = make_project(question=question, classes=["7", "NA", "None", "=cat"], overlap=2)
    # No new class may have a line break in its name; those of older projects may.
    project.classes.filter(index=3).update(name='=cat, "a"\nb')
    items = make_items(project, 24, control_every=4, data={"text": 'one\ntwo, "three"', "n": 1.5})
    for number, item in enumerate(items):
        item.external_id = f"{number:03}"  # a number, for a library that guesses
    Item.objects.bulk_update(items, ["external_id"])
    ann, bob = (make_member(project, name) for name in ("ann", "bob"))
    values: list[Any] = {
        "single": [0, 1, 2, 3, 0, 1],
        "multi": [[0], [], [1, 2], [0, 3], [2], []],
        "verify": [True, False, True, True, False, True],
    }[question]
    first = make_batch(project, items[:6], overlap=2)
    first.tasks.update(margin=None, cluster=None, cluster_size=None, draw_pass=None)
    answer(first, ann, values, flagged=True)
    answer(first, bob, [*values[:5], "skip"])
    second = make_batch(project, items[6:12], overlap=2, selected_by=train(first))
    answer(second, ann, values[::-1])
    answer(second, bob, values[::-1])
    Correction.objects.create(item=items[1], user=make_member(project, "mona", "manager"), value=values[0])
    return project


def records(rows: Any) -> list[dict[str, Any]]:
    if isinstance(rows, pd.DataFrame):
        return list(rows.to_dict("records"))
    if isinstance(rows, pl.DataFrame):
        return rows.to_dicts()
    return list(rows.to_pylist() if isinstance(rows, pyarrow.Table) else rows.to_list())


def picked(rows: Any, places: list[int]) -> Any:
    """Return these rows of a library's table."""
    if isinstance(rows, pd.DataFrame):
        return rows.iloc[places]
    if isinstance(rows, pl.DataFrame):
        return rows[places]
    return rows.take(places) if isinstance(rows, pyarrow.Table) else rows.select(places)


def plain(column: str, value: Any, *, as_text: bool) -> Any:
    """Convert a library's value to a JSON value. `as_text`: lists and objects come from CSV."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if as_text and isinstance(value, str) and (column in ("annotations", "skips", "data") or value[:1] == "["):
        value = json.loads(value)
    if column == "data" and isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, list):
        return [plain("", each, as_text=False) for each in value]
    if isinstance(value, dict):
        return {key: plain(key, each, as_text=False) for key, each in value.items()}
    if value is None or value is pd.NaT or value != value:
        return None
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=datetime.UTC)
    if (column in TIMES or column == "created_at") and isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    if isinstance(value, str) and as_text and value.startswith("'="):
        return value[1:]
    return value


@pytest.mark.long
@pytest.mark.parametrize("question", some(QUESTIONS, 2))
def test_one_line_loads_the_rows_that_were_exported(question: str, load: Load, tmp_path: Path) -> None:
    project = awkward_project(question)
    reference = write(project, tmp_path)
    assert len(reference) == status_of(project)["items"]["labeled"] == 12
    for library, name in itertools.product(LIBRARIES, FORMATS):
        the_rows_are_those(records(load(library, name)), reference, library, name)
    for name in FORMATS:
        times_are_times_and_labels_keep_their_type(load("pandas", name), question, name)


def the_rows_are_those(found: list[dict[str, Any]], reference: list[dict[str, Any]], library: str, name: str) -> None:
    for row, expected in zip(found, reference, strict=True):
        columns = sorted if (library, name) == ("polars", "jsonl") else list  # in an order of its own
        assert columns(row) == columns(expected)
        for column, value in expected.items():
            given = plain(column, row[column], as_text=name == "csv")
            wanted = plain(column, value, as_text=False)
            if name == "csv" and wanted == "":
                wanted = None  # CSV knows no difference between no text and an empty one
            if name == "csv" and given in ("", "true", "false"):
                given = None if given == "" else given == "true"
            assert given == wanted, (library, name, column, row)


def times_are_times_and_labels_keep_their_type(rows: Any, question: str, name: str) -> None:
    for column in TIMES:
        assert isinstance(rows[column].dtype, pd.DatetimeTZDtype), (name, column)
        assert str(rows[column].dt.tz) == "UTC"
    assert rows.is_control.dtype == bool
    assert pd.api.types.is_float_dtype(rows.margin)
    if question == "verify":
        # In CSV, where pandas is told to read labels as text, yes and no are text.
        assert set(rows.label) == ({"true", "false"} if name == "csv" else {True, False})
    if question == "single":
        assert all(isinstance(label, str) for label in rows.label)
        assert set(rows.label) >= {"7", "NA", "None"}, "no class is taken for a number, or for nothing"
    if question == "multi" and name != "csv":
        assert {type(label) for label in rows.label} <= {list, np.ndarray}


def late_project(first_rows: int) -> Project:
    """Create a project whose columns have their first values only after the rows by which libraries infer types."""
    project = make_project()
    ann = make_member(project, "ann")
    items = make_items(project, first_rows + 3, data={"text": "lorem ipsum " * 70})
    first = make_batch(project, items[:first_rows])
    first.tasks.update(margin=None, cluster=None, cluster_size=None, draw_pass=None)
    answer_all(first, ann, 7)
    type(items[0]).objects.filter(pk__in=[item.pk for item in items[-3:]]).update(reserved=True)
    version = train(first)
    last = project.items.filter(task__isnull=True).order_by("row")
    second = make_batch(project, list(last), selected_by=version, overlap=2)
    answer(second, ann, [1, 2, 3])
    answer(second, make_member(project, "bob"), [1, "skip", 3])
    Correction.objects.create(item=items[-1], user=make_member(project, "mona", "manager"), value=3)
    return project


@pytest.mark.long
def test_what_comes_late_is_typed_all_the_same(load: Load, tmp_path: Path) -> None:
    """After 10,000 rows and 10 MB without a cluster, skip, correction or control item, rows with all of them follow."""
    first_rows = 10_500
    write(late_project(first_rows), tmp_path)
    assert (tmp_path / "labels.jsonl").stat().st_size > 11 << 20
    for library in LIBRARIES:
        for name in FORMATS:
            table = load(library, name)
            assert len(table) == first_rows + 3, (library, name)
            rows = records(picked(table, [0, first_rows + 1, first_rows + 2]))
            last = {column: plain(column, value, as_text=name == "csv") for column, value in rows[-2].items()}
            assert (last["cluster"], last["model_version"], last["skips"][0]["annotator"]) == (7, 1, "bob")
            assert plain("corrected_by", rows[-1]["corrected_by"], as_text=False) == "mona"
            assert plain("cluster", rows[0]["cluster"], as_text=False) is None


def test_without_rows_those_load_of_which_the_page_says_so_and_parquet_is_typed(
    datasets: Any, load: Load, tmp_path: Path
) -> None:
    write(make_project(), tmp_path)
    loads = {
        (library, name) for library in LIBRARIES for name in FORMATS if _loads_empty(datasets, load, library, name)
    }
    assert loads == {
        (library, name) for library in ("pandas", "polars", "pyarrow") for name in ("parquet", "arrow", "csv")
    }
    table = load("pyarrow", "parquet")
    assert list(load("pandas", "parquet").columns) == table.column_names
    assert table.schema.field("label").type == pyarrow.string()


def _loads_empty(datasets: Any, load: Load, library: str, name: str) -> bool:
    try:
        return len(load(library, name)) == 0
    except (
        pyarrow.ArrowInvalid,
        datasets.exceptions.DatasetGenerationError,
        ValueError,
        KeyError,
        StopIteration,
        pl.exceptions.PolarsError,
    ):
        return False
