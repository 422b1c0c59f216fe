"""A worker that is killed in a look or in its imports leaves nothing half-done, and nothing comes in twice."""

import signal
from pathlib import Path

import pytest
from buckets import Store, make_source
from factories import digit_png, make_project
from processes import manage, wait_until

from labeling.intake.watching import changing
from labeling.models import Batch, ItemImport, Job, Source, Upload

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ("--only", "import,source")


@pytest.mark.long
def test_a_worker_killed_midway(store: Store, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING_ALLOWED_NETWORKS", "127.0.0.0/8")
    project = make_project(kind="image")
    bucket = store.bucket()
    store.fill(bucket, {f"{n:04}.png": digit_png(n % 1000) + b"%d" % n for n in range(1200)})
    source = make_source(project, f"s3://{bucket}", store.options)
    looks, imports = (Job.objects.filter(kind=kind) for kind in (Job.Kind.SOURCE, Job.Kind.IMPORT))
    for reached in (
        looks.filter(state=Job.State.RUNNING).exists,
        lambda: project.items.count() >= 200,
        lambda: project.items.count() >= 700,
    ):
        process = manage("worker", *KINDS)
        wait_until(reached)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert imports.get().state == Job.State.RUNNING
    assert manage("worker", "--drain", *KINDS).wait() == 0
    assert sorted(project.items.values_list("source", flat=True)) == [f"{n:04}.png" for n in range(1200)]
    [item_import] = ItemImport.objects.all()
    assert (item_import.state, item_import.accepted, item_import.rejected) == ("done", 1200, 0)
    changing.look_now(source=source, full=True)
    assert manage("worker", "--drain", *KINDS).wait() == 0
    assert ItemImport.objects.count() == 1
    assert Source.objects.get().found == 1200
    assert not list((data_dir / "uploads").iterdir())
    assert not Upload.objects.exists()
    assert not Batch.objects.exists()
