"""Test that the clustering is rebuilt once at a manager's request, also after kills, and that the old one is used until
then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project
from draining import drain
from snapshots import Snapshot

from labeling.insight import clusterings
from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Job, Project
from labeling.steps.cluster import cluster, clusters_at
from labeling.storage.arrays.files import ProjectFiles
from selector.dendrogram import Dendrogram
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def second_batch(snapshot: Snapshot, tmp_path: Path) -> Project:
    """Create a project whose answered second batch, the first one picked by clusters, waits for its training."""
    if not snapshot.lay():
        project = digits_project(tmp_path, n=300)
        user = annotator(project)
        drain()
        answer_batch(project, user)
        drain()
        answer_batch(project, user)
        snapshot.keep()
    return Project.objects.get()


@pytest.mark.long
def test_each_cluster_step_measures_how_well_the_clustering_still_fits(second_batch: Project) -> None:
    first = Clustering.objects.get()
    assert (first.described_now, first.kept_share, first.joined_share) == (None, None, 0)
    drain()
    clustering = Clustering.objects.get()
    assert clustering.measured_by.number == 2
    assert clustering.embedded_by.number == 1
    assert 0.5 < clustering.described_then < 1
    assert 0.5 < clustering.kept_share < 1.2
    assert clustering.digest == first.digest


@pytest.mark.long
@pytest.mark.parametrize("asked", some(["train", "cluster"]))
def test_the_next_batch_is_picked_by_a_new_clustering(second_batch: Project, asked: str) -> None:
    """This holds whether the request came before or after the embedding step."""
    project = second_batch
    old = Clustering.objects.get()
    drain(before=asked)
    clusterings.ask_rebuild(project=project)
    clusterings.ask_rebuild(project=project)
    drain()
    new = Clustering.objects.get()
    assert (new.generation, new.embedded_by.number, new.rows, new.joined_rows) == (2, 2, 300, 300)
    assert new.anew_at is None
    assert new.digest != old.digest
    assert Batch.objects.get(number=3).dendrogram_hash == new.digest
    assert Batch.objects.get(number=2).dendrogram_hash == old.digest
    files = ProjectFiles(project)
    assert Dendrogram.load(files.dendrogram(1)).digest == old.digest, "to replay batch 2"
    assert not files.pool(old.embedded_by, "embeddings").exists()
    answer_batch(project, project.memberships.first().user)
    drain()
    assert Clustering.objects.get().generation == 2, "asked once, clustered once"


class Killed(BaseException):
    """Stands for `kill -9`; no code catches it."""


class KilledAtTheEnd(Step):
    """A step whose worker dies after all computations and before any write."""

    @contextmanager
    def finish(self) -> Iterator[None]:
        raise Killed
        yield


@pytest.mark.long
def test_a_worker_killed_before_the_new_clustering_counts(second_batch: Project) -> None:
    project = second_batch
    old = Clustering.objects.get()
    before, _ = clusters_at(project, old, 10)
    drain(before=Job.Kind.CLUSTER)
    clusterings.ask_rebuild(project=project)
    job = Job.objects.waiting().get(kind=Job.Kind.CLUSTER)
    Job.objects.take(job, "dead:1:x", job.run_after)
    with pytest.raises(Killed):
        cluster(KilledAtTheEnd(job))
    still = Clustering.objects.get()
    assert still.anew_at is not None
    assert (clusters_at(project, still, 10)[0] == before).all(), "the old one holds"
    Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING, worker="")
    drain()
    assert Clustering.objects.get().generation == 2
    assert Batch.objects.get(number=3).state == Batch.State.OPEN


@pytest.mark.long
def test_a_wish_that_is_withdrawn_changes_nothing(second_batch: Project) -> None:
    clusterings.ask_rebuild(project=second_batch)
    clusterings.withdraw_rebuild(project=second_batch)
    drain()
    assert Clustering.objects.get().generation == 1


def test_there_is_nothing_to_do_anew_before_the_first_clustering(tmp_path: Path) -> None:
    with pytest.raises(clusterings.ClusteringError, match="not clustered yet"):
        clusterings.ask_rebuild(project=digits_project(tmp_path, run_import=False))
