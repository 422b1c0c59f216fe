"""One turn of the loop with a big batch: each step's seconds and memory, and how long others wait meanwhile.

    python -m benchmarks.loop --items 1000000 --batch 100000        # SQLite
    scripts/with-postgres.sh python -m benchmarks.loop              # PostgreSQL
    python -m benchmarks.loop --items 100000 --batch 10000 --json   # one JSON object

Vectors of 64 numbers in ten classes are imported, encoded, and picked from at random; the batch is answered by plain
SQL, a version is trained on it, and the next batch is picked by that; all labels are exported. The product's own steps
run in this process, one after the other. Beside it another process labels in a small project of the same database: the
longest claim or answer during each step is how long other people had to wait.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import machine
from benchmarks.turning import Clock, Pool, as_a_worker, turn
from scripts.installation import Installation, free_port

DIM, CLASSES = 64, 10
# Whoever labels beside it takes some sixteen tasks a second, and must not run out of them.
BESIDE_TASKS, ITEMS_A_TASK = 20_000, 60


def measure(items: int, size: int, folder: Path) -> list[dict[str, Any]]:
    """Turn the loop once, and pick once more."""
    import django

    django.setup()
    vectors, truth = _vectors(items, folder / "items.npy")
    pool = Pool("single", [str(index) for index in range(CLASSES)], vectors, lambda place: int(truth[place]))
    clock = Clock()
    with as_a_worker():
        turn(pool, slug="big", size=size, clock=clock)
    return clock.steps


def _vectors(items: int, path: Path) -> tuple[Path, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(CLASSES, size=items)
    centres = rng.normal(size=(CLASSES, DIM)).astype(np.float32)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (items, DIM))
    for start in range(0, items, 100_000):
        part = truth[start : start + 100_000]
        out[start : start + len(part)] = centres[part] + rng.normal(size=(len(part), DIM)).astype(np.float32) * 1.5
    out.flush()
    return path, truth


def label_beside(path: Path) -> None:
    """Claim and answer in a small project until this process is killed; write the start and the duration of each
    request.
    """
    import django

    django.setup()
    from labeling.models import Project, User
    from labeling.queue import queue, submitting
    from labeling.queue.answer import Answer

    project, user = Project.objects.get(slug="small"), User.objects.get(username="beside")
    with path.open("w", buffering=1) as lines:
        while True:
            began = time.time()
            [task] = queue.claim(project=project, user=user, count=1).tasks
            claimed = time.time()
            submitting.submit(project=project, user=user, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])
            lines.write(f"{began} {claimed - began} {time.time() - claimed}\n")
            time.sleep(0.05)


def prepare_beside(n: int) -> None:
    """Create the small project, with an open batch of `n` tasks."""
    import django

    django.setup()
    from django.utils import timezone

    from labeling.models import Batch, Item, Project, Role, Task
    from labeling.projects.create import create_project
    from labeling.projects.people.members import get_or_create_user, set_role

    project = create_project(slug="small", kind="text", classes=["a", "b"], settings={"pick_ahead": None})
    user, _ = get_or_create_user("beside")
    set_role(project=project, user=user, role=Role.ANNOTATOR)
    rows = [Item(project=project, external_id=str(row), row=row, data={"text": str(row)}, control_key=0.5,
                 reserved=False) for row in range(n)]  # fmt: skip
    Item.objects.bulk_create(rows, batch_size=5000)
    Project.objects.filter(pk=project.pk).update(encoded_rows=n)
    batch = Batch.objects.create(project=project, number=1, state="open", strategy="seed", size=n,
                                 remaining=n, opened_at=timezone.now())  # fmt: skip
    pks = project.items.order_by("row").values_list("pk", flat=True)
    Task.objects.bulk_create([Task(batch=batch, item_id=pk, rank=rank, free=1, outstanding=1)
                              for rank, pk in enumerate(pks)], batch_size=5000)  # fmt: skip


def waits(path: Path, steps: list[dict[str, Any]]) -> None:
    """Add to each step the longest wait of the labeling process beside it, in ms."""
    lines = [tuple(map(float, line.split())) for line in path.read_text().splitlines() if len(line.split()) == 3]
    for step in steps:
        during = [max(line[1:]) for line in lines if step["began"] <= line[0] <= step["ended"]]
        step["others_waited_ms"] = 1000 * max(during, default=0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--items", type=int, default=1_000_000, help="Of the pool. Default: 1,000,000.")
    add("--batch", type=int, default=100_000, help="Default: 100,000.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    add("--do", choices=("prepare", "beside"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do == "prepare":
        prepare_beside(max(BESIDE_TASKS, options.items // ITEMS_A_TASK))
        return 0
    if options.do == "beside":
        label_beside(Path(os.environ["DATA_DIR"]) / "beside.txt")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        place.manage("migrate", "--verbosity", "0")
        os.environ.update(place.environment)
        command = [sys.executable, "-m", "benchmarks.loop", "--items", str(options.items), "--do"]
        subprocess.run([*command, "prepare"], check=True)
        beside = subprocess.Popen([*command, "beside"])
        try:
            steps = measure(options.items, options.batch, Path(folder))
        finally:
            beside.kill()
            beside.wait()
        waits(Path(folder) / "beside.txt", steps)
    if options.json:
        print(json.dumps({"machine": machine(), "items": options.items, "batch": options.batch, "steps": steps}))
        return 0
    print(f"{options.items:,} items, a batch of {options.batch:,}\n")
    print(f"{'step':<22}{'seconds':>9}{'MB':>8}{'others waited, ms':>20}")
    for step in steps:
        print(f"{step['step']:<22}{step['seconds']:>9.1f}{step['memory_mb']:>8.0f}{step['others_waited_ms']:>20.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
