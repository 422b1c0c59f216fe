"""What projects had before files were counted is counted when the tables are made."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from labeling.disk import replace_file
from labeling.intake import uploads
from labeling.kinds import media

BEFORE, HERE = [("labeling", "0019_invitations")], [("labeling", "0020_storage")]


def migrate(target: list[tuple[str, str]]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.mark.django_db(transaction=True)
def test_files_that_are_there_are_counted() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("labeling")
    try:
        apps = migrate(BEFORE)
        project = apps.get_model("labeling", "Project").objects.create(slug="digits", name="d", kind="text", seed=1)
        replace_file(media.path_of(f"{project.pk}/images/aa/a.png"), b"x" * 300)
        replace_file(media.path_of(f"{project.pk}/vectors/import-1-0.npy"), b"x" * 20)
        for name, state in (("a", "waiting"), ("b", "failed"), ("c", "done"), ("d", "waiting")):
            path = uploads.folder() / name
            if name != "d":
                path.write_bytes(b"x" * 7)
            apps.get_model("labeling", "ItemImport").objects.create(
                project=project, name=name, path=str(path), owns_file=True, state=state
            )
        apps = migrate(HERE)
        assert apps.get_model("labeling", "ProjectStorage").objects.get().media_bytes == 320
        counted = apps.get_model("labeling", "Upload").objects.values_list("path", "bytes")
        assert {(path.rpartition("/")[2], size) for path, size in counted} == {("a", 7), ("b", 7)}
    finally:
        migrate(newest)
