"""Read predictions that were made outside: they become a model version, which picks batches and is measured as others.

The step writes one array, with a row for each row of the pool, and ends with one transaction. A killed attempt begins
again; the answers of a server are kept, and asking goes on behind them (`labeling.steps.prediction_server`).
"""

import datetime
from pathlib import Path

import numpy as np
from django.utils import timezone

from labeling.intake.prediction_files import Block, Expected, PredictionFile, open_predictions
from labeling.intake.readers import UnreadableFile
from labeling.kinds.wording import excerpt
from labeling.loop.step import Step, StepFailed
from labeling.models import Job, ModelVersion, PredictionSet, Project
from labeling.projects import quota
from labeling.projects.privacy import ledger
from labeling.steps import measure, register
from labeling.steps.features import load_encoder
from labeling.steps.model_inputs import open_features, read_labels
from labeling.steps.prediction_server import ServerAway, answers_of, file_of
from labeling.storage.arrays.features import Features
from labeling.storage.arrays.files import ProjectFiles, writing_array
from labeling.storage.disk import npy
from labeling.storage.disk.files import FileDamaged, sha256_of_file
from labeling.storage.shared_files import read_whole, store
from models_store import questions

WAIT_SECONDS = 2
PAUSE_SECONDS, TRIES = 5, 9
"""The pause after the first request without an answer, and the most requests in a row: all take 20 minutes."""
ROWS = 8192
"""Rows of the array that are written at once."""
SHARE_READ = 0.8
"""Progress of the step after reading the file."""


class _Refused(Exception):
    """The predictions do not fit the project; the message says what is wrong, and where."""


def given(step: Step) -> None:
    """Read the job's predictions and make a version of them, or record why they are refused."""
    handed, project = step.job.prediction_set, step.job.project
    if _must_wait(project):
        _put_back(step, WAIT_SECONDS)
        return
    PredictionSet.objects.filter(pk=handed.pk).update(state=PredictionSet.State.RUNNING, reason="")
    try:
        if ledger.is_private(project):
            raise _Refused("The project has become private: it takes no predictions from outside.")
        if handed.path:
            path, name = store().local(store().path_of(handed.path)), handed.name
        else:
            answers = answers_of(step, handed)
            if answers is None:
                step.give_way()
                return
            path, name = answers, answers.name
        _take(step, handed, path, name)
    except ServerAway as away:
        _try_later(step, handed, str(away))
    except FileDamaged:  # it is rebuilt, and the step runs again
        raise
    except quota.NoRoom as error:
        _end(step, handed, str(error.message))
    except (_Refused, UnreadableFile, StepFailed) as error:
        _end(step, handed, str(error))
    except OSError as error:
        _end(step, handed, f"The server cannot read the file or store the array ({error.strerror or error}).")
    if step.finished:
        _discard(handed)


def _must_wait(project: Project) -> bool:
    """Return whether the items are still coming in, or a training is about to take the next version's number."""
    coming = project.jobs.unfinished().filter(kind__in=[Job.Kind.IMPORT, Job.Kind.ENCODE])
    return coming.exists() or register.training_of(project)


def _try_later(step: Step, handed: PredictionSet, reason: str) -> None:
    """Ask the server again after a pause, twice as long as the one before; give up after `TRIES`."""
    handed.failures += 1
    if handed.failures >= TRIES:
        _end(step, handed, f"{reason} Given up after {TRIES} tries.")
        return
    with step.write():
        PredictionSet.objects.filter(pk=handed.pk).update(failures=handed.failures, reason=reason[:500])
    _put_back(step, PAUSE_SECONDS * 2 ** (handed.failures - 1))


def _put_back(step: Step, seconds: float) -> None:
    Job.objects.put_back(step.job, attempts=0, run_after=timezone.now() + datetime.timedelta(seconds=seconds))


def _discard(handed: PredictionSet) -> None:
    if handed.path and handed.owns_file:
        quota.discard(store().path_of(handed.path))
    elif not handed.path:
        store().remove(file_of(handed))


def _end(step: Step, handed: PredictionSet, reason: str) -> None:
    with step.finish():
        handed.step_failed(reason)


def _take(step: Step, handed: PredictionSet, path: Path, name: str) -> None:
    project = handed.project
    project.refresh_from_db(fields=["encoded_rows", "features_generation"])
    if not project.encoded_rows:
        raise _Refused("The project has no encoded items yet. Import some, then send the predictions again.")
    features = open_features(project, load_encoder(project))
    with open_predictions(path, name=name, expected=_expected(project)) as file:
        own = file.dim == 0
        dim = features[:1].shape[1] if own else file.dim
        shape = (project.encoded_rows, file.columns + dim)
        quota.check_room(project, npy.file_bytes(4 * shape[0] * shape[1]))
        target = ProjectFiles(project).owned(handed)
        with writing_array(target, shape, np.dtype(np.float32)) as array:
            seen, without_row = _read(step, project, file, array)
            _check_missing(project, handed, seen)
            _fill(array, file.columns, seen, features if own else None)
        handed.columns, handed.dim, handed.margins_only = file.columns, dim, file.margins_only
    handed.items = int(seen.sum())
    handed.digest, handed.size = read_whole(target, sha256_of_file), store().size(target)
    _make_version(step, handed, without_row, own=own)


def _expected(project: Project) -> Expected:
    classes = dict(project.classes.values_list("name", "index"))
    return Expected(
        classes=project.as_called(classes, None),
        n_classes=len(classes),
        rows=project.items.count(),
        adds_up=questions.named(project.question).softmax,
        proposes=project.asks.proposes,
    )


def _read(step: Step, project: Project, file: PredictionFile, array: np.memmap) -> tuple[np.ndarray, int]:
    """Write the predictions into the array, by row. Return which rows have one (rows,), and the number of ids without a
    row.
    """
    report = step.progress("reading predictions", end=SHARE_READ)
    seen, without_row, n = np.zeros(len(array), bool), 0, 0
    for block in file.blocks():
        rows = _rows_of(project, file, block)
        known = (rows >= 0) & (rows < len(array))
        without_row += int((~known).sum())
        at = rows[known]
        values, counts = np.unique(at, return_counts=True)
        if (counts > 1).any() or seen[at].any():
            twice = int(values[counts > 1][0]) if (counts > 1).any() else int(at[seen[at]][0])
            place = int(np.flatnonzero(rows == twice)[-1])
            raise _Refused(f"{file.name}: the item “{excerpt(block.ids[place])}” occurs twice.")
        array[at, : file.columns] = block.scores[known]
        array[at, file.columns : file.columns + file.dim] = block.embeddings[known]
        array.flush()
        seen[at] = True
        n += len(rows)
        report(n / max(n, len(array)))
    return seen, without_row


def _rows_of(project: Project, file: PredictionFile, block: Block) -> np.ndarray:
    """Return the row of each item (m,); -1 for an item without one. Raises `_Refused` for an unknown id."""
    items = project.items.filter(external_id__in=block.ids)
    found = dict(items.values_list("external_id", "row"))
    for place, name in enumerate(block.ids):
        if name not in found:
            raise _Refused(f"{file.name}, row {block.place + place + 1}: the project has no item “{excerpt(name)}”.")
    return np.array([-1 if found[name] is None else found[name] for name in block.ids], np.int64)


def _check_missing(project: Project, handed: PredictionSet, seen: np.ndarray) -> None:
    """Set the number of rows that the predictions cover: all up to the last one with a prediction, or all that the
    server was asked about. Count the items behind them, which wait for the next predictions.

    Raises `_Refused` if a file lacks the prediction of an item among them, or of any item if it is strict. Annotators
    could tell gold items, for example, that alone have none. A server was not asked about items whose files are lost:
    `reason` names the first.
    """
    handed.reason = ""
    if not seen.any():
        raise _Refused("None of these items is encoded. Look at the imports, then send the predictions again.")
    handed.rows = int(np.flatnonzero(seen)[-1]) + 1 if handed.path else handed.asked
    kept = project.items.kept().filter(row__lt=len(seen)).order_by().values_list("row", flat=True)
    needed = np.fromiter(kept.iterator(chunk_size=ROWS), np.int64)
    missing = needed[~seen[needed]]
    among, handed.left_out = missing[missing < handed.rows], int((missing >= handed.rows).sum())
    if handed.path and (len(among) or (handed.strict and handed.left_out)):
        raise _Refused(_lacking(project, handed, among if len(among) else missing, of=len(needed)))
    if len(among):
        files = "file is lost, that" if len(among) == 1 else "files are lost, the first is that"
        handed.reason = (
            f"{len(among):,} {files} of the item “{_name_of(project, among)}”. Without a file, an item has the mean "
            "prediction."
        )


def _lacking(project: Project, handed: PredictionSet, missing: np.ndarray, *, of: int) -> str:
    """Say that a file lacks these rows, and what to do. Only items behind the last one can be left out."""
    items = "item has" if len(missing) == 1 else "items have"
    what = f"{len(missing):,} {items} no prediction, the first is “{_name_of(project, missing)}”."
    if missing.min() < handed.rows:
        return f"{what} Send one for each item, or exclude the items without one."
    return (
        f"{what} The pool has {of:,}. Send one for each item, exclude the items without one, or say that the "
        "predictions are for a part of the pool (strict: false): then these items wait for newer predictions."
    )


def _name_of(project: Project, rows: np.ndarray) -> str:
    return excerpt(project.items.values_list("external_id", flat=True).get(row=int(rows.min())))


def _fill(array: np.memmap, columns: int, seen: np.ndarray, features: Features | None) -> None:
    """Give rows without a prediction the mean one; add the project's features as embeddings if none came."""
    parts = [slice(start, min(start + ROWS, len(array))) for start in range(0, len(array), ROWS)]
    total = sum(array[part, :columns].sum(axis=0, dtype=np.float64) for part in parts)
    for part in parts:
        array[part, :columns][~seen[part]] = total / seen.sum()
        if features is not None:
            array[part, columns:] = features[part]
        array.flush()  # part by part: other commits would wait for one large write


def _make_version(step: Step, handed: PredictionSet, without_row: int, *, own: bool) -> None:
    """Measure the predictions on the control slice and by the gate, and end the step with the new version."""
    project = handed.project
    n_classes = project.classes.count()
    version = ModelVersion(
        project=project,
        number=register.next_number(project),
        origin=ModelVersion.Origin.GIVEN,
        artifact="",
        digest=handed.digest,
        labels_hash="",
        labels=0,
        classes=0 if handed.margins_only else n_classes,
        seed=0,
        seconds=step.seconds,
    )
    version.prediction_set = handed
    step.span.part("measuring the predictions")
    features = open_features(project, load_encoder(project))
    control = read_labels(project, project.items.measuring().filter(row__lt=handed.rows), n_classes)
    answers = measure.given_results(project, version, control)
    version.metrics = {
        "control": measure.control_figures(answers),
        "given": {
            "name": handed.name,
            "items": handed.items,
            "without_row": without_row,
            "left_out": handed.left_out,
            "embeddings": "features" if own else handed.dim,
        },
    }
    version.gate, version.held_back = measure.gate(project, project.encoder_since, answers, features, control)
    values = ("columns", "dim", "margins_only", "rows", "items", "left_out", "digest", "size", "reason")
    with step.finish():
        register.add(version)
        PredictionSet.objects.filter(pk=handed.pk).update(
            state=PredictionSet.State.DONE,
            version=version,
            finished_at=timezone.now(),
            **{name: getattr(handed, name) for name in values},
        )
