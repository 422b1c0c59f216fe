"""What projects had before files were counted is counted when the tables are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from old_tables import old_tables

from labeling.disk import replace_file
from labeling.intake import uploads
from labeling.kinds import media


@pytest.mark.django_db(transaction=True)
def test_files_that_are_there_are_counted(tmp_path: Path) -> None:
    with old_tables(tmp_path) as forward:
        apps = forward("0019_invitations")
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
        apps = forward("0020_storage")
        assert apps.get_model("labeling", "ProjectStorage").objects.get().media_bytes == 320
        counted = apps.get_model("labeling", "Upload").objects.values_list("path", "bytes")
        assert {(path.rpartition("/")[2], size) for path, size in counted} == {("a", 7), ("b", 7)}
