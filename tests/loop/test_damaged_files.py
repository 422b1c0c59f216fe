"""Test that damaged files of a project in use are named and, where possible, rebuilt, and that the loop continues."""

from pathlib import Path

import numpy as np
import pytest
from damages import WAYS, Damage, flip, halve, lose, put_a_folder
from digits import annotator, answer_batch, digits_project
from draining import drain
from snapshots import Snapshot

from labeling.loop import retrying
from labeling.models import Batch, Clustering, DamagedFile, FeatureSum, Job, Project, User
from labeling.projects.version_in_use import in_use
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import open_features
from labeling.steps.stored_files import files_of
from labeling.storage import media
from labeling.storage.arrays.damage import enqueue_rebuild, note_damage
from labeling.storage.arrays.features import sums_of
from labeling.storage.arrays.files import ProjectFiles, load_array
from labeling.storage.disk.files import FileDamaged, make_room
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(snapshot: Snapshot, tmp_path: Path) -> Project:
    """Create a project with two versions, and an open third batch that was picked by clusters."""
    if not snapshot.lay():
        project = digits_project(tmp_path, n=300)
        user = annotator(project)
        drain()
        for _ in range(2):
            answer_batch(project, user)
            drain()
        snapshot.keep()
    return Project.objects.get()


def label(project: Project) -> Batch:
    """Answer the open batch; return the next one."""
    answer_batch(project, User.objects.get())
    drain()
    return project.batches.get(state=Batch.State.OPEN)


def all_whole(project: Project) -> None:
    project.refresh_from_db()
    for file in files_of(project):
        file.check()
    assert not DamagedFile.objects.standing().exists()


@pytest.mark.parametrize("damage", some(WAYS))
def test_every_file_is_found_and_rebuilt_or_named(project: Project, damage: Damage) -> None:
    """All files are damaged at once, except items' files, weights and dataset versions, which cannot be rebuilt."""
    root = ProjectFiles(project).root
    margins = load_array(ProjectFiles(project).pool(project.versions.get(number=2), "margins"))
    files = {file.name: file for file in files_of(project)}
    rebuilt = [name for name in files if not name.startswith(("models/", "media/", "datasets/"))]
    assert {"features-1.bin", "encoder-1.npz", "dendrogram.npz", "joins.npy", "pool/v1/embeddings.npy"} <= {*rebuilt}
    assert {f"pool/v{v}/{name}.npy" for v in (1, 2) for name in ("margins", "best", "confidence")} <= {*rebuilt}
    present = [name for name in rebuilt if (root / name).exists()]
    for name in present:
        damage(root / name)
    for file in files_of(project):
        if file.name in present:
            with pytest.raises(FileDamaged, match=Path(file.name).name):
                file.check()
    for number in (1, 2):
        spoiled = weights(project, number).read_bytes()
        damage(weights(project, number))
        with pytest.raises(FileDamaged, match=r"model\.safetensors"):
            files[f"models/v{number}"].check()
        make_room(weights(project, number))
        weights(project, number).unlink(missing_ok=True)
        weights(project, number).write_bytes(spoiled)
    for name in present:
        note_damage(project, name, "it was damaged by a test")
    enqueue_rebuild(project)
    drain()
    all_whole(project)
    again = load_array(ProjectFiles(project).pool(project.versions.get(number=2), "margins"))
    np.testing.assert_allclose(again, margins, rtol=1e-5)


# What is damaged before each step.
DAMAGES = [
    {"train": "features-1.bin", "embed": "encoder-1.npz", "cluster": "pool/v1/embeddings.npy", "select": "joins.npy"},
    {"train": "encoder-1.npz", "select": "dendrogram.npz"},
    {"select": "pool/v3/margins.npy"},
    {"select": "pool/v3/best.npy"},
]


@pytest.mark.parametrize("damaged", some(DAMAGES), ids=str)
@pytest.mark.parametrize("damage", some([halve, flip]))
def test_a_step_that_finds_a_file_damaged_has_it_rebuilt_and_goes_on(
    project: Project, damaged: dict[str, str], damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    before = np.array(open_features(project, load_encoder(project))[:])
    answer_batch(project, User.objects.get())
    for step, name in damaged.items():
        drain(before=step)
        path = ProjectFiles(project).root / name
        (put_a_folder if path.suffix == ".npz" else damage)(path)
    drain()
    assert project.batches.filter(number=4, state=Batch.State.OPEN, strategy="cluster-margin").exists()
    assert set(DamagedFile.objects.exclude(mended_at=None).values_list("name", flat=True)) == {*damaged.values()}
    for name in damaged.values():
        lines = [line for line in caplog.messages if name in line]
        assert len(lines) == 2, lines
        assert lines[0].startswith(f"Project digits: the file {name} is damaged: ")
        assert lines[1] == f"Project digits: the file {name} is whole again."
    np.testing.assert_array_equal(open_features(project, load_encoder(project))[:], before)
    all_whole(project)


def weights(project: Project, number: int) -> Path:
    return ProjectFiles(project).root / f"models/v{number}/model.safetensors"


@pytest.mark.parametrize("damage", some([flip, put_a_folder]))
def test_the_last_good_version_picks_the_batch_instead_of_a_damaged_one(
    project: Project, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    answer_batch(project, User.objects.get())
    drain(before="embed")
    kept = weights(project, 3).read_bytes()
    damage(weights(project, 3))
    drain()
    batch = project.batches.get(number=4)
    assert (batch.state, batch.selected_by.number, batch.newest_version) == ("open", 2, 3)
    [damaged] = DamagedFile.objects.standing()
    assert damaged.name == "models/v3"
    assert "model.safetensors" in damaged.problem
    assert "\n" not in damaged.problem
    assert "Version 3 picks no batch until" in damaged.remedy
    assert any("models/v3" in line and "model.safetensors" in line for line in caplog.messages)

    # Restored from a backup, it is used again.
    make_room(weights(project, 3))
    weights(project, 3).unlink(missing_ok=True)
    weights(project, 3).write_bytes(kept)
    enqueue_rebuild(project)
    drain()
    assert in_use(project).version.number == 3
    all_whole(project)


@pytest.mark.long
def test_a_damaged_version_whose_arrays_are_damaged_too_picks_nothing(project: Project) -> None:
    answer_batch(project, User.objects.get())
    drain(before="select")
    halve(weights(project, 3))
    halve(ProjectFiles(project).pool(project.versions.get(number=3), "margins"))
    drain()
    batch = project.batches.get(number=4)
    assert (batch.state, batch.selected_by.number) == ("open", 2)


@pytest.mark.long
def test_without_a_good_version_chance_draws_the_batch_and_the_next_version_is_good(project: Project) -> None:
    answer_batch(project, User.objects.get())
    drain(before="embed")
    for number in (1, 2, 3):
        flip(weights(project, number))
    drain()
    batch = project.batches.get(number=4)
    assert (batch.state, batch.selected_by, batch.strategy) == ("open", None, "seed")
    following = label(project)
    assert (following.selected_by.number, following.strategy) == (4, "cluster-margin")
    assert Clustering.objects.get().embedded_by.number == 4


@pytest.mark.long
def test_a_training_that_starts_from_a_damaged_version_starts_anew(project: Project) -> None:
    Project.objects.update(training={**project.training, "warm_start": True})
    answer_batch(project, User.objects.get())
    lose(weights(project, 2))
    drain()
    assert project.batches.get(number=4).selected_by.number == 3


def test_what_follows_from_the_rest_of_a_version_is_written_again(project: Project) -> None:
    card = weights(project, 2).with_name("README.md")
    before = card.read_bytes()
    flip(card)
    note_damage(project, "models/v2", "it was damaged by a test")
    enqueue_rebuild(project)
    drain()
    assert card.read_bytes() == before
    all_whole(project)


@pytest.mark.long
def test_an_item_whose_file_is_damaged_is_named_where_its_features_are_lost(project: Project) -> None:
    """No features are invented for the item."""
    item = project.items.get(row=5)
    flip(media.path_of(item.media))
    lose(ProjectFiles(project).features(1))
    answer_batch(project, User.objects.get())
    drain(may_fail=True)
    batch = project.batches.get(number=3)
    assert batch.state == Batch.State.FAILED
    assert batch.reason == (
        "The rows 0 to 128 of the features are damaged, and cannot be encoded again: Its file cannot be read: its "
        "content does not match its name. Restore their files from a backup, then retry."
    )
    flip(media.path_of(item.media))
    retrying.retry(batch=batch)
    drain()
    all_whole(project)


@pytest.mark.long
def test_a_new_project_s_features_are_checked_before_its_first_version_looks(tmp_path: Path) -> None:
    """The features are damaged but have the right size, before any batch stores their hash."""
    project = digits_project(tmp_path, n=120)
    user = annotator(project)
    drain()
    project.refresh_from_db()
    assert all(each.crc32 is not None for each in sums_of(project))
    before = np.array(open_features(project, load_encoder(project))[:])
    flip(ProjectFiles(project).features(1))
    answer_batch(project, user)
    drain()
    np.testing.assert_array_equal(open_features(project, load_encoder(project))[:], before)
    assert DamagedFile.objects.get().name == "features-1.bin"


def test_new_items_are_not_written_behind_lost_features(project: Project) -> None:
    before = np.array(open_features(project, load_encoder(project))[:])
    lose(ProjectFiles(project).features(1))
    Project.objects.update(encoded_rows=290)
    project.items.filter(row__gte=290).update(row=None)
    FeatureSum.objects.all().delete()
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    drain()
    project.refresh_from_db()
    after = open_features(project, load_encoder(project))
    np.testing.assert_array_equal(np.sort(after[:].sum(axis=1)), np.sort(before.sum(axis=1)))


@pytest.mark.long
def test_features_of_an_earlier_release_get_sums(project: Project) -> None:
    FeatureSum.objects.all().delete()
    label(project)
    assert [each.crc32 is None for each in sums_of(project)] == [False]
