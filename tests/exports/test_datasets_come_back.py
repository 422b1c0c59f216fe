"""Test that exported datasets come in again with their labels: as zip files and, by command, as unpacked folders."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bringing import bring, bring_all, empty_like
from factories import certify, digit_png, make_member, make_project
from labeled import answer, give_vectors, make_batch, make_items, train

from labeling.intake.checking import check_record
from labeling.intake.drafts import Draft
from labeling.intake.guessing import guess
from labeling.intake.looking import count_labels, first_rows
from labeling.intake.readers import Layout, Limits, UnreadableFile, open_source
from labeling.intake.run import rules_of
from labeling.models import Item, ItemImport, Project
from labeling.outgoing.exports import choose, export
from labeling.outgoing.formats import EXPORTS, shards
from labeling.storage import media
from tests.extent import ALL, some

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "a|b", 'say "<dog>"']
VALUES: dict[str, list[Any]] = {
    "single": [0, 1, 2, 1],
    "multi": [[0], [1, 2], [], [2]],
    "verify": [True, False, True, False],
    "score": [0, 1, 2, 0],
}
FORMS = ("huggingface", "croissant", "webdataset", "label-studio", "imagefolder")
EVERY = [(form, kind, question) for form in FORMS for kind in ("text", "image", "vector") for question in VALUES]
SOME = [
    ("huggingface", "image", "multi"), ("webdataset", "vector", "multi"), ("label-studio", "text", "score"),
    ("imagefolder", "image", "verify"), ("croissant", "vector", "single"), ("webdataset", "text", "verify"),
]  # fmt: skip


def labeled(kind: str, question: str) -> Project:
    """Create items with labels of each form, one skipped, and one with a certified label."""
    classes = ["1", "2", "3"] if question == "score" else CLASSES
    project = make_project("first", classes=classes, question=question, kind=kind)
    items = make_items(project, 6, data={"text": "größer", "camera": "b7"} if kind == "text" else {"camera": "b7"})
    if kind == "vector":
        give_vectors(project)
    answer(make_batch(project, items[:5]), make_member(project, "ann"), [*VALUES[question], "skip"])
    certify(project, {items[5]: VALUES[question][1]}, version=train(project.batches.get()))
    return project


def written(project: Project, form: str, folder: Path) -> Path:
    path = folder / f"labels{EXPORTS[form].suffix}"
    choice = choose(project, {"skipped": "yes", "certified": "yes"})
    path.write_bytes(b"".join(export(project, form, choice)))
    return path


def facts(project: Project) -> dict[str, Any]:
    return {
        item.external_id: (item.label, item.proposed, item.data, _content(item))
        for item in project.items.order_by("pk")
    }


def _content(item: Item) -> Any:
    content = media.read_content(item.media, item.media_offset, {}) if item.media else None
    return content.tolist() if isinstance(content, np.ndarray) else content


@pytest.mark.parametrize(
    ("form", "kind", "question"),
    some([each for each in EVERY if each[0] != "imagefolder" or each[1] == "image"] if ALL else SOME, 4),
)
def test_labels_fields_and_items_come_back(
    form: str, kind: str, question: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (form, kind) == ("label-studio", "vector"):
        return
    monkeypatch.setattr(shards, "SHARD_BYTES", 300)  # several shards
    first = labeled(kind, question)
    path = written(first, form, tmp_path)
    second = empty_like(first)
    done = bring_all(second, path)
    assert (done.accepted, done.labeled) == (6, 4)
    assert facts(second) == facts(first)
    suggested = second.items.get(external_id="item-0005")
    assert (suggested.label, suggested.suggestion) == (None, VALUES[question][1])


@pytest.mark.long
@pytest.mark.parametrize("form", some(["croissant", *FORMS]))
def test_an_unpacked_folder_comes_in_by_command(form: str, tmp_path: Path) -> None:
    first = labeled("image", "single")
    with zipfile.ZipFile(written(first, form, tmp_path)) as archive:
        archive.extractall(tmp_path / "folder")
    second = empty_like(first)
    assert bring(second, tmp_path / "folder").accepted == 6
    assert facts(second) == facts(first)


def test_a_single_tar_file_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "cats.tar"
    files = {
        "a/001.png": digit_png(1), "a/001.cls": b"cat\n", "a/002.png": digit_png(2), "a/002.json": b'{"label": "a|b"}',
        "a/002.seg.png": b"left out", "a/002.npy": b"left out",
        "a/003.json": b"[", "a/003.png": digit_png(3), "a/004.cls": b"cat",
    }  # fmt: skip
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    project = make_project(kind="image", classes=CLASSES)
    done = bring(project, path)
    assert [item.label for item in project.items.order_by("source")] == [0, 1]
    assert [(row.where, row.reason) for row in done.rejected_rows.order_by("where")] == [
        ("sample a/003", "Its .json: the row is not valid JSON: unexpected end of data: line 1 column 2 (char 1)."),
        ("sample a/004", 'The image is missing: name a file or give a data: URL in column "image".'),
    ]


@pytest.mark.parametrize(
    ("form", "shard"), [("huggingface", ".parquet"), ("webdataset", ".tar"), ("label-studio", "0.json")]
)
def test_a_shard_cut_short_refuses_the_whole_file(
    form: str, shard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 300)
    whole = written(labeled("text", "single"), form, tmp_path)
    cut = tmp_path / "cut.zip"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(cut, "w") as target:
        last = [name for name in source.namelist() if name.endswith(shard)][-1]
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content[:-1100] if name == last else content)
    project = empty_like(Project.objects.get())
    done = bring(project, cut)
    assert (done.state, project.items.count()) == (ItemImport.State.REFUSED, 0)
    assert done.reason == f"cut.zip/{last}: it is cut short: create it again"


def test_a_tar_file_cut_short_or_a_zip_file_without_shards_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(labeled("text", "single"), "webdataset", tmp_path)) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".tar"))
        content = archive.read(name)
    cut = "the tar file is damaged or cut short: create it again"
    for end in (-1100, 300):
        (tmp_path / "a.tar").write_bytes(content[:end])
        done = bring(make_project(f"cut{end}"), tmp_path / "a.tar")
        assert (done.state, done.reason, done.project.items.count()) == ("refused", f"a.tar: {cut}", 0)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", json.dumps({}))
    reason = "a.zip: a zip for a project of kind text must hold one table alone, or shards of an export"
    assert bring(make_project(), tmp_path / "a.zip").reason == reason


@pytest.mark.long
def test_an_import_goes_on_within_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 900)
    first = labeled("text", "single")
    for form in ("huggingface", "webdataset", "label-studio"):
        with open_source(written(first, form, tmp_path), kind="text") as source:
            every = list(source.records())
            assert len(every) == 6 <= source.estimate
            for skip in range(7) if ALL else (0, 2, 5):
                assert [row.where for row in source.records(skip)] == [row.where for row in every[skip:]], (form, skip)


@pytest.mark.long
@pytest.mark.parametrize("form", some(["webdataset", "huggingface", "label-studio"]))
def test_the_page_for_imports_counts_its_labels(form: str, tmp_path: Path) -> None:
    first = labeled("text", "single")
    path = written(first, form, tmp_path)
    rules = rules_of(first, allow_files=False)
    assert guess(path, rules, name=path.name).own
    with open_source(path, kind="text", name=path.name) as source:
        found = count_labels(source, rules, whole=True)
        assert (found.rows, found.labels, found.unknown, found.telling) == (6, 4, {}, [])
        assert [row.label for row in first_rows(source, rules)] != [""] * 5
    suggested = Layout.read({"labels_as": "suggestions"})
    with open_source(path, kind="text", name=path.name, layout=suggested) as source:
        drafts = [check_record(record, rules, source) for record in source.rows()]
    assert sum(isinstance(draft, Draft) and draft.suggestion is not None for draft in drafts) == 5
    assert not any(isinstance(draft, Draft) and draft.labels and draft.labels.label for draft in drafts)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(shard=10), "it is larger than 10 bytes: make smaller shards"),
        (Limits(shards=10), "its shards unpack to more than 10 bytes: split it"),
    ],
)
def test_shards_that_would_fill_the_disk_are_not_unpacked(limits: Limits, reason: str, tmp_path: Path) -> None:
    path = written(labeled("text", "single"), "huggingface", tmp_path)
    with pytest.raises(UnreadableFile, match=reason):
        open_source(path, kind="text", limits=limits)


def test_a_link_out_of_the_folder_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.tar").write_bytes(bytes(10240))
    (tmp_path / "folder/a.tar").symlink_to(tmp_path / "secret.tar")
    with pytest.raises(UnreadableFile, match=r"folder/a\.tar: it cannot be read"):
        open_source(tmp_path / "folder", kind="text")
