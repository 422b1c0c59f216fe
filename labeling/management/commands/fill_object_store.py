"""Copies an installation's files to its object store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from labeling.models import ItemImport, ModelVersion, PredictionRun, PredictionSet, Project, Registration, Upload
from labeling.outgoing.artifacts import MANIFEST
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import SHARED, StoreAway, store
from models_store.folders import FolderError, folder_at

# Suffixes of files that only this host needs, or that a killed process left behind.
LEFT_OUT = (".tmp", ".safetensors", ".partial.npz")
# The size of the parts in which feature files are sent.
PART_BYTES = 64 << 20


class Command(BaseCommand):
    help = (
        "Copy the files of DATA_DIR that hosts share (images, uploads, features and others) into the store that "
        "OBJECT_STORE names. Stop web and workers first. A repeated call continues. Model versions go to "
        "MODEL_STORE, which is the same store unless it is set."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OBJECT_STORE:
            raise CommandError("Set OBJECT_STORE first: it says where the files go.")
        copied = present = 0
        try:
            for path in _files(Path(settings.DATA_DIR)):
                if _copy(path):
                    copied += 1
                    self.stdout.write(f"{path.relative_to(settings.DATA_DIR)}")
                else:
                    present += 1
            copied += _copy_versions()
        except (StoreAway, FolderError, OSError) as error:
            raise CommandError(f"{error}. {copied} files were copied: call it again to go on.") from error
        for model in (Upload, ItemImport, PredictionRun, PredictionSet, Registration):
            _record(model)
        self.stdout.write(f"{copied} files were copied, {present} were there already.")


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files that hosts share, without drafts and model versions."""
    for name in SHARED:
        for path in sorted((folder / name).rglob("*")):
            inside = path.relative_to(folder).parts
            is_draft = path.name.startswith(".") or path.name.endswith(LEFT_OUT) or "drafts" in inside
            is_model = name == "projects" and len(inside) > 2 and inside[2] == "models"
            if path.is_file() and not is_draft and not is_model:
                yield path


def _copy(path: Path) -> bool:
    """Copy a file unless the store has one of the same size. Return whether the file was copied."""
    if path.suffix == ".bin" and path.name.startswith("features-"):
        return _copy_features(path)
    try:
        if store().size(path) == path.stat().st_size:
            return False
    except FileNotFoundError:
        pass
    store().publish(path)
    return True


def _copy_features(path: Path) -> bool:
    """Copy the encoded rows of a feature file in parts, then delete the local file. Return whether it was copied."""
    shape = orjson.loads(path.with_suffix(".json").read_bytes())
    dtype = np.dtype(shape["dtype"])
    project = Project.objects.filter(pk=path.parent.name).first()
    here = path.stat().st_size // (dtype.itemsize * shape["dim"])
    if project is None or path.name != f"features-{project.features_generation}.bin" or not project.encoded_rows:
        return False
    if here < project.encoded_rows:
        if store().size_below(path):
            return False
        raise FileNotFoundError(f"{path} has {here} of {project.encoded_rows} rows")
    rows = np.memmap(path, dtype, "r", shape=(project.encoded_rows, shape["dim"]))
    step = max(1, PART_BYTES // rows[:1].nbytes)
    for start in range(0, len(rows), step):
        store().append(path, rows_before=start, block=np.asarray(rows[start : start + step]))
    path.unlink()
    return True


def _copy_versions() -> int:
    """Copy the local files of model versions to the store, and update the paths in their rows."""
    copied = 0
    for version in (
        ModelVersion.objects.exclude(artifact="").exclude(artifact__contains="://").select_related("project")
    ):
        files = ProjectFiles(version.project)
        source, place = Path(files.artifact_at(version.artifact)), files.artifact(version.number)
        if "://" not in place or not source.is_relative_to(files.root):
            continue
        contents = {path.name: path.read_bytes() for path in sorted(source.iterdir()) if path.is_file()}
        folder_at(place).replace(contents, seal=MANIFEST)
        ModelVersion.objects.filter(pk=version.pk).update(artifact=place)
        copied += len(contents)
    return copied


def _record(model: type[Upload | ItemImport | PredictionRun | PredictionSet | Registration]) -> None:
    """Replace the paths in the rows with paths relative to the data folder, which are valid on every host."""
    for row in model._default_manager.filter(path__startswith=f"{settings.DATA_DIR}/"):
        row.path = store().recorded(Path(row.path))
        row.save(update_fields=["path"])
