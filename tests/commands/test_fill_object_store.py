"""Test that `fill_object_store` copies all files, that the loop goes on, and that a second call copies nothing."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hosts import Hosts, drain

from labeling.management.commands import fill_object_store
from labeling.models import Clustering
from labeling.storage.arrays.files import ProjectFiles, load_array
from labeling.storage.shared_files import StoreAway
from labeling.storage.shared_files.objects import ObjectStore
from tests.loop.digits import annotator, answer_batch, digits_project

pytestmark = pytest.mark.django_db(transaction=True)


def filled(capsys: Any) -> str:
    call_command("fill_object_store")
    return str(capsys.readouterr().out).splitlines()[-1]


@pytest.mark.long
def test_all_that_hosts_share_is_there_and_the_loop_goes_on(
    tmp_path: Path, data_dir: Path, settings: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="Set OBJECT_STORE first"):
        call_command("fill_object_store")
    project = digits_project(
        tmp_path, n=150, training={"epochs": 3, "min_steps": 10, "calibration_labels": 0, "learns_from": "labels"}
    )
    user = annotator(project)
    drain()
    answer_batch(project, user)
    drain()
    (data_dir / "media" / str(project.pk) / "drafts").mkdir(exist_ok=True)
    (data_dir / "media" / str(project.pk) / "drafts" / ".draft-1").write_bytes(b"half")
    hosts = Hosts(tmp_path, settings, f"memory://{uuid.uuid4().hex}")
    settings.DATA_DIR, settings.MEDIA_ROOT = data_dir, data_dir / "media"
    monkeypatch.setattr(fill_object_store, "PART_BYTES", 10_000)

    def fail(*_: Any) -> None:
        raise StoreAway("memory://x: cannot be written (connection refused)")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "append", lambda *_, **__: fail())
        with pytest.raises(CommandError, match=r"connection refused.*call it again to go on"):
            call_command("fill_object_store")
    assert not filled(capsys).startswith("0 files")
    assert filled(capsys).startswith("0 files were copied")
    assert not [name for name in hosts.stored() if "draft" in name]
    shutil.rmtree(data_dir)
    hosts.go(1)
    assert len(load_array(ProjectFiles(project).pool(project.versions.get(), "best"))) == 150
    answer_batch(project, user)
    drain()
    assert project.batches.open().get().number == 3
    assert Clustering.objects.get(project=project).rows == 150
