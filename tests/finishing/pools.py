"""A project with a model that is right as often as it says, for tests of finishing."""

from __future__ import annotations

import numpy as np
from factories import make_items, make_member, make_project
from pages import make_history

from labeling.arrays.files import ProjectFiles, save_array
from labeling.models import Item, Project

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
    best = np.array(project.items.order_by("row").values_list("truth", flat=True), np.int32)
    wrong = rng.random(rows) > probabilities
    best[wrong] = (best[wrong] + 1) % project.classes.count()
    for item in control:
        item.label = item.truth
    Item.objects.bulk_update(control, ["label"])
    files, version = ProjectFiles(project), project.versions.get()
    save_array(files.pool(version, "best"), best)
    save_array(files.pool(version, "confidence"), probabilities.astype(np.float32))
    project.refresh_from_db()
    return project
