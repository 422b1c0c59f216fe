"""Test a model version's page: its accuracy, the comparison with the one before, its lineage, and its files."""

import hashlib
import html
import io
import json
import re
import zipfile
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_version, member, signed_in, text_of

from labeling.insight.control_slice import Compared, calibration
from labeling.models import Batch, Item, ModelVersion, Project, Role
from labeling.storage.arrays.files import ProjectFiles, save_array
from labeling.web.charts.reliability import reliability_diagram
from labeling.web.models import version_words
from models_store import artifact
from models_store.config import TrainConfig
from models_store.training import Recipe, TrainingSet, train

pytestmark = pytest.mark.django_db

QUICK = TrainConfig(epochs=1, min_steps=1, max_steps=2)
CONTROL = 40


def store(version: ModelVersion, best: list[int], sure: float = 0.8) -> None:
    """Store the version's files, and its prediction for each row of the pool."""
    project = version.project
    files = ProjectFiles(project)
    rng = np.random.default_rng(0)
    classes = list(project.classes.values_list("name", flat=True))
    features, targets = rng.random((30, 4), np.float32), rng.integers(0, len(classes), 30)
    trained = train(TrainingSet(features, targets, "single", len(classes), (4,)), Recipe(1, QUICK))
    digest = artifact.save(
        files.artifact_at(files.artifact(version.number)),
        trained,
        manifest={"classes": classes, "encoder": {"name": "vector", "digest": "e" * 64}, "version": version.number},
    )
    ModelVersion.objects.filter(pk=version.pk).update(
        digest=digest, artifact=files.artifact(version.number), training={"epochs": 1, "augment": True}
    )
    save_array(files.pool(version, "best"), np.array(best))
    save_array(files.pool(version, "confidence"), np.full(len(best), sure, np.float32))


def make_round(project: Project, number: int, parent: ModelVersion | None) -> ModelVersion:
    first = project.items.count()
    items = make_items(project, 2, first=first)
    batch = make_open_batch(project, items, number=number)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0, selected_by=parent)
    return make_version(batch, number, parent, metrics={"control": {"accuracy": 0.5, "low": 0.2, "high": 0.8, "n": 6}})


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    """Create 40 control items, half owls and half wrens, and three versions: the first predicts owls only, the second
    is right on 35, the third has no predictions.
    """
    project = make_project(kind="vector", classes=["owl", "wren", "<never>"])
    control = make_items(project, CONTROL, reserved=True)
    for place, item in enumerate(control):
        item.label = place % 2
    Item.objects.bulk_update(control, ["label"])
    first = make_round(project, 1, None)
    store(first, [0] * 42, sure=0.95)
    second = make_round(project, 2, first)
    store(second, [place % 2 if place >= 5 else 1 for place in range(CONTROL)] + [0] * 4)
    make_round(project, 3, second)
    return project


@pytest.fixture
def project(made: Project, once: Path, db: None, data_dir: Path) -> Project:
    copytree(once, data_dir, dirs_exist_ok=True)
    return made


def page(project: Project, number: int) -> str:
    return text_of(member(project, Role.ENGINEER).get(f"/p/digits/models/{number}/"))


def test_accuracy_now_and_then_and_against_the_version_before(project: Project) -> None:
    said = page(project, 2)
    assert "92.5 % accurate With 95 % certainty between 80.1 % and 97.4 %: on the 40 control items" in said
    assert "When it was trained: not enough data to tell, 6 control items labeled by then." in said
    assert "owl 20 85.0 % 17 17 of 17 wren 20 100.0 % 23 87.0 %" in page(project, 2)
    assert "wren 20 0.0 % 0 –" in page(project, 1), "never taken to be one"
    assert "<never> " not in page(project, 2).split("Where it comes from")[0]
    assert "Labels 160 of batches 1 to 2" in said
    assert "Picked batch 3 " in said
    assert "Parent 1 " in said
    assert "Encoder vector Network mlp" in said
    assert "epochs 1 augment yes" in said
    assert "Picked no batch yet" in page(project, 3)
    said = page(project, 1)
    assert "It is more confident than it should be: confidence 95.0 %, accuracy 50.0 %" in said
    assert "Expected calibration error: 45.0 % as measured" in said
    assert "Without chance, it is with 95 % certainty between 30.6 % and 60.1 %." in said
    assert "Brier score 0.452" in said
    assert "80.0 % to 80.0 % 40 80.0 % 92.5 %" in page(project, 2)
    said = page(project, 3)
    assert "Not enough data yet to tell: 6 control items With 95 % certainty it lay between 20.0 % and 80.0 %" in said
    assert "It will be measured again once it has picked a batch." in said
    assert "By class" not in said
    long = version_words.shortened({"classes": [str(n) for n in range(2000)], "seed": 1})
    assert long["classes"][-1] == "… and 1,980 more"
    assert len(long["classes"]) == 21
    assert (
        "Of the same 40 control items, version 2 is right on 20 that version 1 had wrong, and wrong on 3 that it had "
        "right: it is better."
    ) in page(project, 2)
    assert "This is the first version" in page(project, 1)
    ModelVersion.objects.filter(number=2).update(parent=None)  # as if no version had picked its batch
    store(ModelVersion.objects.get(number=2), [])
    said = page(project, 2)
    assert "This is the first version" not in said
    assert "Compare with version 1 in detail" in said


def test_neighbours_are_a_step_away(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    links = {
        number: re.findall(
            r'href="/p/digits/models/(\d)/" rel="(\w+)"', client.get(f"/p/digits/models/{number}/").content.decode()
        )
        for number in (1, 2, 3)
    }
    assert links == {1: [("2", "next")], 2: [("1", "prev"), ("3", "next")], 3: [("2", "prev")]}
    assert 'href="/p/digits/models/2/"' in client.get("/p/digits/models/").content.decode()
    assert member(project, Role.ENGINEER).get("/p/digits/models/9/").status_code == 404
    stranger = signed_in(make_member(make_project("other"), "olaf", Role.MANAGER))
    assert stranger.get("/p/digits/models/2/").status_code == 404
    assert Client().get("/p/digits/models/2/").status_code == 302


def test_files_are_told_with_their_hashes_and_load_with_safetensors_alone(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    content = client.get("/p/digits/models/2/").content.decode()
    address = re.findall(r'href="(/api/[^"]*artifact/)" download', content)[0]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(client.get(address).streaming_content)))
    assert archive.namelist() == ["README.md", "manifest.json", "model.safetensors"]
    for name in archive.namelist():
        assert f'title="{hashlib.sha256(archive.read(name)).hexdigest()}"' in content
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["digest"] in content
    weights = safetensors.numpy.load(archive.read("model.safetensors"))
    assert weights
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in weights.values())
    assert json.loads(html.unescape(re.findall(r"<pre[^>]*><code>(.*?)</code>", content, re.DOTALL)[0])) == manifest


def test_files_that_are_gone_are_missed(project: Project) -> None:
    folder = ProjectFiles(project).root / "models/v2"
    (folder / "manifest.json").write_text('{"files": []}')
    assert "Its files are missing or cannot be read" in page(project, 2)
    (folder / "manifest.json").unlink()
    assert "Its files are missing or cannot be read" in page(project, 2)


def test_queries(project: Project, django_assert_num_queries: Any) -> None:
    client = member(project, Role.ENGINEER)
    # session, user, membership; newest version, choice; versions beside it, control items, and if
    # they changed, classes, and those of the matrix, batches it picked
    with django_assert_num_queries(13):
        client.get("/p/digits/models/2/")


def test_versions_are_told_apart_only_beyond_chance() -> None:
    same = "Of the same 9 control items, version 2 is right on exactly those that version 1 was right on."
    few, better, worse = "too few to say that one is better.", "it is better.", "it is worse."
    for compared, said in (
        *((None, ""), (Compared(0, 0, 0), ""), (Compared(9, 0, 0), same), (Compared(100, 5, 0), few)),
        *((Compared(100, 6, 0), better), (Compared(100, 1, 9), worse), (Compared(9000, 2000, 1000), better)),
        (Compared(9000, 1010, 1000), few),
    ):
        assert version_words.comparison(compared, 2, 1).endswith(said), compared


def test_a_difference_within_chance_is_no_verdict() -> None:
    right = np.arange(60) % 10 > 0
    told = reliability_diagram(calibration(np.full(60, 0.95), right))
    assert told is not None
    assert told.finding == "Its confidence matches its accuracy, within the noise of this many items"
    told = reliability_diagram(calibration(np.full(6000, 0.85), np.arange(6000) % 10 > 0))
    assert told is not None
    assert told.finding == "It is less confident than it should be: confidence 85.0\u00a0%, accuracy 90.0\u00a0%"
    assert told.rows == [
        ["85.0\u00a0% to 85.0\u00a0%", "6,000", "85.0\u00a0%", "90.0\u00a0%", "89.2\u00a0% to 90.7\u00a0%"]
    ]
    assert reliability_diagram(None) is None


def figures(page: str) -> list[tuple[str, str]]:
    """Return (meaning, address) of each figure of the confusion matrix."""
    section = page.split('id="confusion-title"')[1].split("</section>")[0]
    return [
        (html.unescape(m).replace("\xa0", " "), html.unescape(u))
        for u, m in re.findall(r'<a href="([^"]*)"[^>]*aria-label="([^"]*)"', section)
    ]


def test_each_figure_of_the_confusion_matrix_opens_its_items(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    shown = figures(client.get("/p/digits/models/2/").content.decode())
    assert [means for means, _ in shown] == [
        "17 of 20 owl predicted as owl, 85 %",
        "3 of 20 owl predicted as wren, 15 %",
        "20 of 20 wren predicted as wren, 100 %",
    ]
    for means, address in shown:
        assert f"{means.split(' of ')[0]} items match" in text_of(client.get(address))
    opened = text_of(client.get(shown[1][1]))
    assert (
        "label: owl : remove this filter version 2 predicts wren : remove this filter control : remove this filter"
        in opened
    )
    listed = client.get("/api/v1/projects/digits/items/?label=owl&predicted=2:wren").json()
    assert [each["external_id"] for each in listed["results"]] == ["item-0000", "item-0002", "item-0004"]


def test_of_many_classes_the_most_frequent_confusions_are_listed() -> None:
    project = make_project("birds", kind="vector", classes=[f"bird {n}" for n in range(30)])
    control = make_items(project, 60, reserved=True)
    for place, item in enumerate(control):
        item.label = place // 2
    Item.objects.bulk_update(control, ["label"])
    version = make_round(project, 1, None)
    save_array(ProjectFiles(project).pool(version, "best"), np.array([7] * 4 + [place // 2 for place in range(4, 60)]))
    client = member(project, Role.ENGINEER)
    shown = figures(client.get("/p/birds/models/1/").content.decode())
    assert [means for means, _ in shown] == [
        "2 of 2 bird 0 predicted as bird 7, 100 %",
        "2 of 2 bird 1 predicted as bird 7, 100 %",
    ]
    assert "2 items match" in text_of(client.get(shown[0][1]))


@pytest.mark.parametrize(
    ("question", "said"), [("verify", "1 of 2 yes predicted as no, 50 %"), ("multi", "Not available")]
)
def test_the_confusion_matrix_of_other_questions(question: str, said: str) -> None:
    project = make_project("birds", kind="vector", question=question, classes=["owl", "wren"])
    control = make_items(project, 2, reserved=True, proposed=0)
    project.items.filter(pk__in=[each.pk for each in control]).update(label=True if question == "verify" else [0])
    version = make_round(project, 1, None)
    save_array(ProjectFiles(project).pool(version, "best"), np.array([0, 1]))
    client = member(project, Role.ENGINEER)
    content = client.get("/p/birds/models/1/").content.decode()
    assert said in content.replace("\xa0", " ")
    if question == "verify":
        opened = dict(figures(content))[said]
        assert "1 item matches" in text_of(client.get(opened))
