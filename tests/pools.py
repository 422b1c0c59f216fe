"""A project with a model that is right as often as it says, and a certificate's rows, for tests of finishing."""

import hashlib
from typing import Any

import numpy as np
from django.db.models import F
from factories import make_items, make_member, make_project
from pages import make_history

from labeling.models import Audit, Certificate, Item, ModelVersion, Project
from labeling.storage.arrays.files import ProjectFiles, save_array

OPEN, CONTROL, LABELED = 3000, 200, 8
PEOPLE = ("annie", "bert", "carl")


def pool_project(slug: str = "pool", **settings: object) -> Project:
    """Create a project with a version, `CONTROL` labeled control items and `OPEN` open items.

    The model is right with the probability that it says.
    """
    settings = {"overlap_max": 3, **settings}
    project = make_project(slug, kind="vector", **settings)
    make_history(project, 1, size=LABELED // 2)
    for name in PEOPLE:
        make_member(project, name)
    first = LABELED
    control = make_items(project, CONTROL, first=first, reserved=True)
    make_items(project, OPEN, first=first + CONTROL)
    rows = first + CONTROL + OPEN
    Project.objects.filter(pk=project.pk).update(encoded_rows=rows)
    rng = np.random.default_rng(7)
    probabilities = np.clip(1 - rng.exponential(0.06, rows), 0.12, 0.9999)
    truths = project.items.order_by("row").values_list("truth", flat=True)
    best = np.array([truth[0] if isinstance(truth, list) else truth for truth in truths], np.int32)
    wrong = rng.random(rows) > probabilities
    best[wrong] = (best[wrong] + 1) % project.classes.count()
    Item.objects.filter(pk__in=[item.pk for item in control]).update(label=F("truth"))
    files, version = ProjectFiles(project), project.versions.get()
    if project.question == "multi":
        project.items.labeled().update(label=F("truth"))
        save_array(files.pool(version, "chosen"), best[:, None].astype(np.int16))
        save_array(files.pool(version, "sureness"), probabilities.astype(np.float32))
    save_array(files.pool(version, "best"), best)
    save_array(files.pool(version, "confidence"), probabilities.astype(np.float32))
    project.refresh_from_db()
    return project


def make_audit(version: ModelVersion, *, attempt: int = 1, **fields: Any) -> Audit:
    """Create the row of an audit, without a file."""
    values: dict[str, Any] = {
        "class_revision": 0, "pool_size": 4000, "candidates": 3000, "error": 0.02, "confidence": 0.95,
        "people_error": 0.003, "target_share": 0.003, "target_constant": 68.0, "risk": 0.033, "missed": 0.001,
        "sizes": [3000], "expected": [0.01], "seed": 1,
    }  # fmt: skip
    return Audit.objects.create(project=version.project, version=version, attempt=attempt, **{**values, **fields})


def make_certificate(version: ModelVersion, *, number: int = 1, **fields: Any) -> Certificate:
    """Create a certificate with its audit and its file, without certified labels."""
    project, content = version.project, b'{"format": 1}'
    values: dict[str, Any] = {
        "labels": 2500, "most_wrong": 45, "last_stratum": 0, "threshold": 0.93, "asked": 300, "found": 4,
        "evidence": 3.5, "digest": hashlib.sha256(content).hexdigest(), "size": len(content),
    }  # fmt: skip
    audit = make_audit(version, attempt=number, state=Audit.State.PROVEN)
    certificate = Certificate.objects.create(project=project, audit=audit, number=number, **{**values, **fields})
    path = ProjectFiles(project).owned(certificate)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return certificate
