"""Copies and imports from before labels carried what was spent on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from old_tables import old_tables


@pytest.mark.django_db(transaction=True)
def test_copies_share_a_ledger_and_imported_labels_are_untraced(tmp_path: Path) -> None:
    with old_tables(tmp_path) as forward:
        apps = forward("0049_nothing_left")
        made: dict[str, Any] = {}
        for name in ("original", "copy", "later", "items-only", "imported", "copy-of-imported", "orphan", "alone"):
            made[name] = apps.get_model("labeling", "Project").objects.create(slug=name, name=name, kind="text", seed=1)

        def bring(into: str, of: str | None = None, *, path: str = "", labels: bool = True) -> None:
            source = None if of is None else made[of]
            apps.get_model("labeling", "ItemImport").objects.create(
                project=made[into], name=into, path=path, copied_from=source, with_labels=labels, labeled=3 * labels
            )

        bring("copy", "original")
        bring("later", "copy")
        bring("items-only", "original", labels=False)
        bring("imported", path="rows.jsonl")
        bring("copy-of-imported", "imported")
        bring("orphan")
        apps = forward("0053_spent_privacy")
        projects = apps.get_model("labeling", "Project").objects
        families = dict(projects.values_list("slug", "family"))
        assert families["original"] == families["copy"] == families["later"] is not None
        assert families["imported"] == families["copy-of-imported"] not in (None, families["original"])
        assert [families[name] for name in ("items-only", "orphan", "alone")] == [None] * 3
        untraced = apps.get_model("labeling", "ItemImport").objects.filter(untraced=3)
        assert set(untraced.values_list("project__slug", flat=True)) == {"imported", "copy-of-imported", "orphan"}
        assert apps.get_model("labeling", "LabelFamily").objects.count() == 2
