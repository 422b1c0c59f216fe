"""Small projects with a model version and an audit of its labels."""

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
from factories import make_answerable, make_items, make_member, make_open_batch
from pages import make_version

from labeling.finishing import candidates
from labeling.finishing.audits import plan_of
from labeling.finishing.certifying.plan import NEWEST_BETS, Target, stratify
from labeling.models import Audit, Batch, Item, ModelVersion, Project, Task, User
from labeling.queue import submitting
from labeling.queue.answer import Answer
from labeling.storage.arrays.files import ProjectFiles, save_array


def make_predicted(
    project: Project, n: int, *, labeled: int = 4, confidence: tuple[float, float] = (0.99, 0.5)
) -> ModelVersion:
    """Create n unpicked items behind `labeled` picked ones, and a version that predicts the row's last digit, with a
    `confidence` that falls with the row.
    """
    items = make_items(project, n + labeled)
    batch = make_open_batch(project, items[:labeled])
    batch.tasks.update(free=0, outstanding=0)
    Item.objects.filter(task__batch=batch).update(label=1, agreement=1)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0, labeled=labeled)
    Project.objects.filter(pk=project.pk).update(encoded_rows=n + labeled)
    version = make_version(batch, 1)
    rows = np.arange(n + labeled)
    files = ProjectFiles(project)
    save_array(files.pool(version, "best"), (rows % min(project.answer_count, 10)).astype(np.int32))
    save_array(files.pool(version, "confidence"), np.linspace(*confidence, len(rows), dtype=np.float32))
    save_array(files.pool(version, "margins"), np.linspace(0.98, 0.1, len(rows), dtype=np.float32))
    return version


def make_audit(version: ModelVersion, *, in_order: bool = True, of_class: int | None = None, **fields: Any) -> Audit:
    """Create an audit of all candidates. `in_order`: people are asked in the order of the ranks, not of the plan."""
    project = version.project
    found = candidates.read_candidates(project, version)
    if of_class is not None:
        found = found.only(found.values == of_class)
    _, sizes, expected = stratify(found.probabilities)
    target = Target(0.2)
    values: dict[str, Any] = {
        "attempt": 1, "class_revision": 0, "pool_size": project.items.count(), "candidates": len(found), "error": 0.2,
        "confidence": 0.95, "people_error": 0.0, "target_share": target.share, "target_constant": target.constant,
        "risk": 0.05, "missed": 0.0, "sizes": sizes.tolist(), "expected": expected.tolist(),
        "bets": NEWEST_BETS, "seed": 1,
    }  # fmt: skip
    audit = Audit.objects.create(project=project, version=version, of_class=of_class, **{**values, **fields})
    order = np.arange(len(found)) if in_order else plan_of(audit).order(np.random.default_rng(audit.seed))
    candidates.save(audit, replace(found, order=order))
    return audit


def say(task: Task, name: str, value: Any) -> User:
    """Let a member of this name answer the task, or skip it with "skip"."""
    user = make_member(task.batch.project, name)
    make_answerable([task], user)
    what = {"skip_reason": "unclear"} if value == "skip" else {"value": value}
    answer = Answer(uuid.uuid4(), task.pk, **what)
    assert not submitting.submit(project=task.batch.project, user=user, answers=[answer]).rejected
    return user
