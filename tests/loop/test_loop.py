"""Test the loop on real digits with a real worker in this process: import, encode, select, train, cluster, and on."""

from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project, digits_zip
from hosts import drain
from taken_in import take_in
from test_map import check_map

from labeling.labels.corrections import correct, withdraw
from labeling.models import Annotation, Batch, Clustering, EventType, Item, ModelVersion, Project, Task
from labeling.outgoing.datasets.manifest import verify
from labeling.steps import train as training
from labeling.steps.cluster import clusters_at
from labeling.steps.model_inputs import read_labels
from labeling.steps.select import read_pool
from labeling.storage.arrays.batch_plan import plan_batch
from labeling.storage.arrays.files import ProjectFiles, load_array, sha256_of

pytestmark = pytest.mark.django_db(transaction=True)
LEARNS = {"epochs": 15, "min_steps": 120, "calibration_labels": 0, "learns_from": "labels"}


def test_three_rounds_rise_in_accuracy_and_keep_their_lineage(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=400, batch_size=60, training=LEARNS)
    project.webhooks.create(url="https://example.org/", events=list(EventType))
    user = annotator(project)
    drain()
    for number in (1, 2, 3):
        assert answer_batch(project, user).number == number
        drain()
        if number == 1:
            check_that_it_can_be_replayed(Batch.objects.get(number=2))
            check_map(project)

    versions = list(ModelVersion.objects.order_by("number"))
    assert [version.batch.number for version in versions] == [1, 2, 3]
    assert [version.parent_id for version in versions] == [None, versions[0].pk, versions[1].pk]
    assert versions[2].labels == 3 * 48, "a fifth of each batch is control, and never trained on"
    assert versions[2].metrics["control"]["n"] == 36
    assert versions[2].metrics["control"]["accuracy"] > 0.7
    assert [batch.state for batch in Batch.objects.order_by("number")] == ["done", "done", "done", "open"]
    assert Annotation.objects.count() == 180
    assert Item.objects.labeled().count() == 180
    assert Clustering.objects.get().rows == 400, "clustered once, over the whole pool"
    assert [version.dataset.name for version in versions] == ["v1", "v2", "v3"]
    for version in versions:
        assert version.dataset.rows == 60 * version.number, "with the control items"
        assert verify(version.dataset, each_row=True) == []
    judged = {version.number: "held_back" if version.held_back else "passed" for version in versions}
    told = [(event.type, event.payload["data"]["number"]) for event in project.events.all()]
    assert told == [
        ("batch.opened", 1),
        *(
            each
            for number in (1, 2, 3)
            for each in [
                ("dataset_version.created", number),
                ("batch.done", number),
                (f"model_version.{judged[number]}", number),
                ("batch.opened", number + 1),
            ]
        ),
    ]


@pytest.mark.long
def test_what_chance_picked_tells_how_sure_a_model_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    real = training.compute.train
    monkeypatch.setattr(
        training.compute, "train", lambda one, *more, **named: given.append(one) or real(one, *more, **named)
    )
    project = digits_project(
        tmp_path, n=400, batch_size=50, training={"epochs": 5, "min_steps": 30, "learns_from": "labels"}
    )
    user = annotator(project)
    drain()
    for _ in range(3):
        answer_batch(project, user)
        drain()
        Project.objects.update(strategy="uniform")  # the third batch; the second has been picked
    drawn = [learned.representative for learned in given]
    assert [len(each) for each in drawn] == [40, 80, 120]
    assert [int(each.sum()) for each in drawn] == [8, 8, 48], (
        "a fifth of the first batch, and the third; margins picked the second"
    )
    rows = list(Item.objects.trainable().order_by("row").values_list("row", flat=True))
    chosen = Item.objects.filter(task__batch__number=2, reserved=False) | Item.objects.filter(task__asked=True)
    by_choice = set(chosen.values_list("row", flat=True))
    assert {row for row, is_drawn in zip(rows, drawn[2], strict=True) if not is_drawn} == by_choice
    told = [version.calibration.get("labels", 0) for version in project.versions.order_by("number")]
    assert told == [0, 0, pytest.approx(96, abs=4)], "of a hundred labels on, all but a fifth are held back once"


def check_that_it_can_be_replayed(batch: Batch) -> None:
    """Repeat the selection of the batch from what is recorded of it."""
    project = batch.project
    margins = load_array(ProjectFiles(project).pool(batch.selected_by, "margins"))
    assert sha256_of(margins) == batch.margins_hash
    clusters, height = clusters_at(project, project.clustering, batch.mean_cluster_size)
    assert height == batch.cut_height
    assert project.clustering.digest == batch.dendrogram_hash
    tasks = list(batch.tasks.order_by("rank").select_related("item"))
    pool = _pool_before(batch)
    plan = plan_batch(
        pool,
        batch_size=batch.batch_size,
        control_share=batch.control_share,
        strategy=batch.strategy,
        candidate_factor=batch.candidate_factor,
        margins=margins,
        clusters=clusters,
        rng=np.random.default_rng(batch.seed),
    )
    assert plan.rows.tolist() == [task.item.row for task in tasks]
    assert plan.candidates == batch.candidates
    for task, row, draw_pass in zip(tasks, plan.rows, plan.passes, strict=True):
        assert task.margin == pytest.approx(margins[row])
        assert task.cluster == clusters[row]
        assert task.draw_pass == (None if task.is_control else draw_pass)


def _pool_before(batch: Batch):
    """Return the pool at the selection of `batch`, by deleting the batch's tasks for a moment."""
    kept = list(batch.tasks.all())
    batch.tasks.all().delete()
    try:
        return read_pool(batch.project, batch.pool_rows)
    finally:
        Task.objects.bulk_create(kept)


@pytest.mark.long
def test_items_that_come_later_are_picked_and_corrected_labels_are_learned(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=200)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    drain()
    before = read_labels(project, project.items.trainable(), 10)
    assert ModelVersion.objects.get().labels_hash == before.hash
    wrong, taken_back = project.items.trainable().order_by("row")[:2]
    correct(item=wrong, user=user, value=(wrong.label + 1) % 10)
    correct(item=taken_back, user=user, value=(taken_back.label + 1) % 10)
    withdraw(item=taken_back, user=user)
    _import_more(project, tmp_path)
    drain()
    answer_batch(project, user)
    drain()
    seen = read_labels(project, project.items.trainable(), 10)
    assert ModelVersion.objects.get(number=2).labels_hash == seen.hash
    expected = dict(zip(before.rows.tolist(), before.targets, strict=True))
    expected[wrong.row] = (wrong.label + 1) % 10
    assert expected.items() <= dict(zip(seen.rows.tolist(), seen.targets, strict=True)).items()
    project.refresh_from_db()
    clustering = Clustering.objects.get()
    assert (project.encoded_rows, clustering.rows, clustering.joined_rows) == (300, 200, 300)
    clusters, _ = clusters_at(project, clustering, 5)
    assert len(clusters) == 300
    assert Batch.objects.get(number=3).pool_size == 300 - 80


def _import_more(project: Project, folder: Path) -> None:
    take_in(project, digits_zip(folder / "more.zip", 300), strict=False)  # the first ones are there already


def test_the_loop_ends_when_the_pool_is_empty_and_goes_on_when_items_arrive(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=100, batch_size=60)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    drain()
    assert answer_batch(project, user).size == 40
    drain()
    assert not project.batches.active().exists()
    assert project.versions.count() == 2
    _import_more(project, tmp_path)
    drain()
    assert project.batches.open().get().number == 3
    clustering = Clustering.objects.get()
    assert (clustering.rows, clustering.joined_rows) == (100, 300), "the new ones have places among its clusters"
