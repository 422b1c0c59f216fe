"""Test that predictions from outside pick batches, with no training here at all, and work with near-copies,
embeddings and goals.
"""

import numpy as np
import pytest
from handed import (
    CLASSES,
    answer_open_batch,
    given_project,
    hand_in,
    npz,
    places_of,
    predictions,
    put_in,
    sure_of_right,
    vectors,
)

from labeling.finishing.candidates import predicting, read_candidates
from labeling.models import Clustering, Project, User
from labeling.projects.version_in_use import in_use
from labeling.storage.arrays.files import ProjectFiles, load_array

pytestmark = pytest.mark.django_db(transaction=True)


def picked_places(project: Project, number: int) -> np.ndarray:
    """Return the distance from the border of the picked items of a batch, without its control items."""
    features = ProjectFiles(project).stored_features()
    assert features is not None
    tasks = project.batches.get(number=number).tasks.filter(is_control=False)
    return np.abs(features[np.array(tasks.values_list("item__row", flat=True))][:, 0])


def test_batches_are_picked_by_margins_from_outside_and_nothing_is_trained() -> None:
    project = given_project(pick_ahead=None)
    assert project.batches.count() == 0, "the first batch waits for predictions"
    first = hand_in(project, predictions(project))
    assert (first.state, first.reason, first.items) == ("done", "", 200)
    batch = project.batches.get()
    assert (batch.state, batch.selected_by, batch.strategy) == ("open", first.version, "cluster-margin")
    uniform = 0.5
    assert picked_places(project, 1).mean() < uniform / 2, "near the border"
    control = batch.tasks.filter(is_control=True)
    assert control.count() == 4
    answer_open_batch(project)
    batch.refresh_from_db()
    assert batch.state == "done"
    assert project.batches.count() == 1, "no newer predictions have come"
    second = hand_in(project, predictions(project, middle=0.2))
    assert second.version is not None
    assert second.version.metrics["control"]["n"] == 4
    assert second.version.gate["against"] == 1
    answer_open_batch(project)
    assert project.batches.count() == 2
    kinds = set(project.jobs.values_list("kind", flat=True))
    assert not kinds & {"train", "baseline", "mislabeled", "calibrate"}
    assert Clustering.objects.get().embedded_by == first.version


@pytest.mark.long
def test_with_batches_picked_ahead_no_one_waits() -> None:
    project = given_project()
    assert project.batches.get().selected_by is None, "a first batch without a model"
    hand_in(project, predictions(project))
    batch = project.batches.get()
    assert (batch.selected_by.number, batch.selection) == (1, 2), "picked again, because nobody had a task"
    answer_open_batch(project)
    assert project.batches.filter(selected_by__number=1).count() >= 2, "the older predictions pick on"


def with_embeddings(project: Project) -> tuple[bytes, dict[str, np.ndarray]]:
    """Return a file with embeddings that have nothing to do with the features, and these by id."""
    ids, places = places_of(project)
    embeddings = np.random.default_rng(len(ids)).normal(size=(len(ids), 5)).astype(np.float32)
    content = npz(ids=ids, probabilities=sure_of_right(places), classes=CLASSES, embeddings=embeddings)
    return content, dict(zip(ids, embeddings, strict=True))


@pytest.mark.long
def test_the_pool_is_clustered_by_the_embeddings_that_came_and_anew_for_later_items() -> None:
    project = given_project(80, pick_ahead=None)
    content, given = with_embeddings(project)
    handed = hand_in(project, content)
    assert (handed.dim, handed.version.metrics["given"]["embeddings"]) == (5, 5)
    clustering = Clustering.objects.get()
    assert (clustering.embedded_by, clustering.rows, clustering.generation) == (handed.version, 80, 1)
    stored = load_array(ProjectFiles(project).pool(handed.version, "embeddings"))
    for name, row in project.items.values_list("external_id", "row"):
        np.testing.assert_array_equal(stored[row], given[name])
    put_in(project, User.objects.get(username="mona"), vectors(40, first=1000))
    answer_open_batch(project)
    newer = hand_in(project, with_embeddings(project)[0])
    assert newer.reason == ""
    clustering.refresh_from_db()
    assert (clustering.embedded_by, clustering.rows, clustering.generation) == (newer.version, 120, 2)
    batch = project.batches.get(number=2)
    assert (batch.pool_rows, batch.dendrogram_hash) == (120, clustering.digest)


@pytest.mark.long
def test_goals_find_their_candidates_among_given_predictions_and_none_among_margins() -> None:
    project = given_project(60, strategy="margin")
    version = hand_in(project, predictions(project)).version
    answer_open_batch(project)
    used = in_use(project)
    assert used is not None
    assert predicting(project, used) == used.version == version
    candidates = read_candidates(project, used.version)
    truth = dict(project.items.values_list("pk", "truth"))
    assert len(candidates)
    assert [truth[pk] for pk in candidates.items.tolist()] == candidates.values.tolist()
    ids, places = places_of(project)
    hand_in(project, npz(ids=ids, margins=np.abs(places)))
    answer_open_batch(project)
    assert predicting(project, in_use(project)) is None
