"""Test tasks of Label Studio in both directions: exported, imported again, and through the real Label Studio."""

import json
import socket
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from bringing import bring, bring_all, empty_like
from factories import certify, digit_png, make_member, make_project
from labeled import answer, archive_of, make_batch, make_items, train

from labeling.intake.readers import PLAIN, Layout
from labeling.kinds import KINDS, FileKind
from labeling.labels.corrections import correct
from labeling.models import Project
from labeling.outgoing.formats import shards
from labeling.storage import media

pytestmark = pytest.mark.django_db
CLASSES = ["cat", "a|b", 'say "<dog>"']
VALUES: dict[str, list[Any]] = {
    "single": [0, 1, 2],
    "multi": [[0], [1, 2], []],
    "verify": [True, False, True],
    "score": [0, 1, 2],
}


def labeled(question: str = "single", *, slug: str = "first", **fields: Any) -> Project:
    """Create items with answers of two people, which differ once, a skip and a correction."""
    classes = ["1", "2", "3"] if question == "score" else CLASSES
    project = make_project(slug, **{"classes": classes, "question": question, **fields})
    one, two, three = VALUES[question]
    items = make_items(project, 5, data={"text": "größer\n猫", "n": 1.5, "tags": ["a"]})
    batch = make_batch(project, items, overlap=2)
    answer(batch, make_member(project, "ann"), [one, two, three, one, "skip"])
    answer(batch, make_member(project, "bob"), [one, two, three, two, "skip"])
    correct(item=items[3], user=make_member(project, "mona", "manager"), value=three)
    return project


def exported(project: Project, **filters: str) -> dict[str, bytes]:
    archive = archive_of(project, "label-studio", **filters)
    return {name: archive.read(name) for name in archive.namelist()}


def again(first: Project, path: Path, layout: Layout = PLAIN) -> Project:
    """Import the file into an empty project like the first one."""
    second = empty_like(first, f"{first.slug}-again{layout.id_column}")
    bring_all(second, path, layout=layout)
    return second


def labels(project: Project) -> dict[str, tuple[Any, Any]]:
    return {item.external_id: (item.label, item.proposed) for item in project.items.all()}


@pytest.mark.parametrize("question", VALUES)
def test_labels_and_answers_come_back(question: str, tmp_path: Path) -> None:
    first = labeled(question)
    path = tmp_path / "tasks.json"
    path.write_bytes(exported(first, skipped="yes")["tasks-00000.json"])
    second = again(first, path)
    assert labels(second) == labels(first)
    item = second.items.get(external_id="item-0000")
    assert item.data == {"text": "größer\n猫", "n": 1.5, "tags": ["a"]}
    answers = item.task.annotations.order_by("user__username")
    assert len({each.user.username for each in answers}) == 2, "each person has a number"
    assert [each.seconds for each in answers] == [1.5, 1.5]
    assert not {"ann", "bob"} & set(path.read_text().split('"')), "no person is named"
    assert second.items.get(external_id="item-0004").task.annotations.filter(value__isnull=True).exists()


def test_answers_come_in_under_the_ids_of_tasks_and_the_configuration_asks_the_question(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    first = labeled()
    files = exported(first)
    path.write_bytes(files["tasks-00000.json"])
    second = again(first, path, Layout(id_column="id"))
    item = second.items.get(external_id=first.items.get(external_id="item-0000").pk)
    assert item.task.annotations.count() == 2
    view = ET.fromstring(files["config.xml"])
    assert [choice.get("value") for choice in view.iter("Choice")] == CLASSES
    assert (view[0].tag, view[0].get("value")) == ("Text", "$text")
    assert view.find("Choices").attrib == {"name": "label", "toName": "item", "choice": "single"}  # type: ignore[union-attr]


def test_a_certified_label_is_a_prediction_and_comes_back_as_a_suggestion(tmp_path: Path) -> None:
    project = labeled()
    certify(project, {make_items(project, 1)[0]: 1}, version=train(project.batches.get()))
    tasks = json.loads(exported(project, certified="yes", skipped="yes")["tasks-00000.json"])
    items = {item.external_id: item.pk for item in project.items.all()}
    assert {task["data"]["external_id"]: task["id"] for task in tasks} == items
    assert all("annotations" in task for task in tasks), "the converter asks for it"
    [task] = [task for task in tasks if task.get("predictions")]
    [prediction] = task["predictions"]
    assert (prediction["model_version"], prediction["result"][0]["value"]) == ("version 1", {"choices": ["a|b"]})
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([task]))
    [item] = again(project, path).items.all()
    assert (item.label, item.suggestion) == (None, 1)


def test_images_are_inside_and_lists_are_cut_by_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = labeled(kind="image")
    files = exported(first)
    assert json.loads(files["tasks-00000.json"])[0]["data"]["image"].startswith("data:image/png;base64,")
    path = tmp_path / "tasks.json"
    path.write_bytes(files["tasks-00000.json"])
    second = again(first, path)
    assert media.read_content(second.items.get(external_id="item-0001").media, 0, {}) == digit_png(1)
    monkeypatch.setattr(shards, "SHARD_BYTES", 300)
    files = exported(first)
    assert len(files) == 5
    assert sum(len(json.loads(content)) for name, content in files.items() if name.endswith("json")) == 4


def result(*choices: str, **more: Any) -> dict[str, Any]:
    return {"from_name": "x", "to_name": "y", "type": "choices", "value": {"choices": list(choices)}, **more}


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ([{"completed_by": 1, "result": [result("cat")]}, {"completed_by": 2, "result": [result("cat")]}], 0),
        ([{"completed_by": 1, "result": [result("cat")]}, {"completed_by": 2, "result": [result("a|b")]}], None),
        ([{"completed_by": 1, "result": [result("cat")], "created_at": "2026-01-02T00:00:00Z"},
          {"completed_by": 1, "result": [result("a|b")], "created_at": "2026-01-01T00:00:00Z"}], 0),
        ([{"completed_by": {"id": 3, "email": "a@b.de"}, "result": [result("cat")]},
          {"completed_by": 2, "result": [result("a|b")], "ground_truth": True}], 1),
        ([{"completed_by": 1, "result": [], "was_cancelled": True}], None),
        ([{"completed_by": 1, "result": []}], None),
    ],
)  # fmt: skip
def test_the_label_of_answers_from_elsewhere(annotations: list[Any], label: Any, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([{"id": 7, "data": {"text": "a"}, "annotations": annotations, "predictions": []}]))
    project = make_project(classes=CLASSES)
    assert bring(project, path).accepted == 1
    assert labels(project) == {"7": (label, None)}


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([{"from_name": "x", "type": "rectanglelabels"}], "An annotation holds rectanglelabels: only choices and"),
        ([result("cat"), result("cat", from_name="z")], "An annotation answers several questions (x, z): leave one"),
        ([result("cow")], 'Label "cow" is not a class of this project'),
    ],
)
def test_a_task_of_no_use_is_set_aside_with_the_reason(results: list[Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    good = {"id": 1, "data": {"text": "a"}, "annotations": [{"completed_by": 1, "result": [result("cat")]}]}
    path.write_text(json.dumps([good, {"id": 2, "data": {"text": "b"}, "annotations": [{"result": results}]}]))
    project = make_project(classes=CLASSES)
    done = bring(project, path)
    [rejected] = done.rejected_rows.all()
    assert (done.accepted, rejected.where, rejected.reason[: len(reason)]) == (1, "row 2", reason)


@pytest.mark.long
def test_the_real_label_studio_takes_the_tasks_and_gives_them_back(tmp_path: Path) -> None:
    """It is installed into var/label-studio, as by `make bench-peers`."""
    from benchmarks.label_studio import LabelStudio, Person, install
    from benchmarks.load import connect
    from benchmarks.peers import ENVIRONMENT, VERSION

    install(ENVIRONMENT, VERSION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = LabelStudio(ENVIRONMENT, tmp_path, free.getsockname()[1])
    with server.serving():
        [token] = server.tokens(1)
        send = connect(Person(server.port, token, 0))
        for question, kind in (*((question, "text") for question in VALUES), ("single", "image")):
            first = labeled(question, slug=f"{question}-{kind}", kind=kind)
            files = exported(first, skipped="yes")
            made = send("POST", "/api/projects/", {"title": question, "label_config": files["config.xml"].decode()})
            tasks = json.loads(files["tasks-00000.json"])
            done = send("POST", f"/api/projects/{made['id']}/import", tasks)
            assert (done["task_count"], done["annotation_count"]) == (
                5,
                sum(len(each["annotations"]) for each in tasks),
            )
            back = send("GET", f"/api/projects/{made['id']}/export?exportType=JSON&download_all_tasks=true", None)
            path = tmp_path / "back.json"
            path.write_text(json.dumps(back))
            assert labels(again(first, path)) == labels(first), (question, kind)
            converted = by_its_converter(ENVIRONMENT, files, tmp_path / first.slug)
            assert {row["external_id"] for row in converted} == {task["data"]["external_id"] for task in tasks[:4]}
            assert all(row["label"] for row in converted if question != "multi")


def by_its_converter(environment: Path, files: dict[str, bytes], folder: Path) -> list[dict[str, Any]]:
    """Return the rows that Label Studio's own converter makes of an export, as its JSON_MIN."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    code = """
from label_studio_sdk.converter import Converter
for form in ("CSV", "TSV", "JSON_MIN"):
    Converter(open("config.xml").read(), None).convert("tasks-00000.json", form, form, is_dir=False)
"""
    subprocess.run([environment / "bin/python", "-c", code], cwd=folder, check=True)
    return list(json.loads((folder / "JSON_MIN/result.json").read_text()))


def test_each_file_of_an_item_has_a_content_type() -> None:
    """The suffix of a stored file is that of its real format, and that of a file at a source is one of the kind's."""
    for kind in KINDS.values():
        if isinstance(kind, FileKind):
            assert {kind.shown_suffixes.get(suffix, suffix) for suffix in kind.suffixes} <= kind.content_types.keys()
