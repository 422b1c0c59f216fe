"""Encode: compute the features of new items with the frozen encoder, and give each item its row in the matrices.

If a manager has chosen another encoder (`EncoderChange`), the step then encodes all rows with that one, into files of
the next generation. Once these cover all rows, new items get their features of both generations in one transaction.
Only this step writes the numbers of rows of both, and a project has one such step at a time.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.core.exceptions import ValidationError
from django.db.models import F

from labeling import kinds
from labeling.loop import batches
from labeling.loop.step import ComputeAway, Step, StepFailed
from labeling.models import EncoderChange, Item, Job, Project
from labeling.outside import references
from labeling.projects import quota
from labeling.projects.encoders.encoder_settings import (
    BY_DEFAULT,
    default_choice,
    encoder_of,
    encoder_with_options,
    name_of,
)
from labeling.projects.privacy import pretraining
from labeling.steps.change_encoder import Change
from labeling.steps.compute import compute
from labeling.steps.features import (
    CHUNK,
    Encoded,
    ItemColumns,
    chunks_of,
    columns_of,
    encoded_chunks,
    in_rows,
    load_encoder,
    sample_of,
)
from labeling.steps.fitting import fit_generation
from labeling.storage.arrays.features import RowSum, append_rows, store_sums
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import change_each, update_numbers
from models_store.encoders import Encoder
from models_store.training import forget

# An encoder fitted to the pool is fitted again before the first version is trained, if its samples grow by this factor.
REFIT_GROWTH = 1.5
FIRST_ITEMS = 128
SLOW_SECONDS = 2.0
"""An encoder that has taken longer, with items left, is not waited for."""
FIRST_LOOK = 200
"""Items by which a new project's encoder is taken, unless a manager chose it."""


def encode(step: Step) -> None:
    """Encode every item that has no row yet; then enqueue the selection of a first or next batch, if it is due.

    Items whose source or whose encoder's server is away wait for it, and others do not wait for them.
    """
    project = step.job.project
    change = Change.of(project)
    changing = EncoderChange.objects.filter(project=project).exists()
    encoder = _current_encoder(step, project, changing=changing)
    try:
        try:
            is_done = _encode_new(step, project, encoder, change)
        except ComputeAway:
            if change is not None:  # another encoder may be the way out
                change.catch_up(step, new_wait=True)
            raise
        is_done = is_done and (change is None or change.catch_up(step))
    except (references.SourceAway, ComputeAway):
        with step.write():
            _go_on(project)
        raise
    if not is_done:
        step.give_way()
        return
    with step.finish():
        _go_on(project)


def _go_on(project: Project) -> None:
    batches.arrived(project=project)
    batches.ensure_next(project=project)


def _encode_new(step: Step, project: Project, encoder: Encoder, change: Change | None) -> bool:
    """Encode items without a row; False if the step has to give way. Raises `SourceAway` after all readable items."""
    report = step.progress("encoding items")
    missing = project.items.unencoded().count()
    n_encoded = 0
    # Read only the chunks that are encoded at once: every import may change the order of the unencoded items.
    away: dict[int | None, references.SourceAway] = {}
    while chunks := chunks_of(references.without(project.items.unencoded(), away)[: _at_once(project)]):
        try:
            for encoded in encoded_chunks(project, encoder, chunks):
                _store(step, project, encoded, change)
                n_encoded += len(encoded.good) + len(encoded.bad)
                report(n_encoded / max(missing, n_encoded))
                if _begin_early(step, project) or step.should_give_way():
                    return False
        except references.SourceAway as error:
            away[error.source] = error
    if away:
        raise next(iter(away.values()))
    return True


def _at_once(project: Project) -> int:
    """Return how many items are read: few at first, so that people need not wait for many."""
    is_first = not kinds.of(project).in_file_order and not project.encoded_rows
    return min(CHUNK, max(FIRST_ITEMS, project.batch_size)) if is_first else CHUNK * compute.side_by_side


def _begin_early(step: Step, project: Project) -> bool:
    """Enqueue the selection of the first batch from the items that are encoded already, if the encoder is slow: people
    begin to label meanwhile. Files are encoded in the order of their digests and texts in that of their random numbers,
    so those are a sample of all.

    Return whether the step should stop for it.
    """
    is_slow = step.seconds > SLOW_SECONDS and not kinds.of(project).in_file_order
    if not is_slow or project.encoded_rows < project.batch_size or project.batches.exists():
        return False
    if project.jobs.unfinished().filter(kind=Job.Kind.IMPORT).exists():
        return False
    with step.write():
        _go_on(project)
    return True


def _store(step: Step, project: Project, encoded: Encoded, change: Change | None) -> None:
    """Append the block to the file, then give its items their rows, in both generations if the next one is complete."""
    block, good, bad = encoded
    rows_before = project.encoded_rows
    also = change.block_of(step, good) if good and change is not None and change.is_ready else None
    if good:
        path = ProjectFiles(project).features(project.features_generation)
        append_rows(path, rows_before=rows_before, block=block)
    pictures = references.pictures_bytes(project.items.filter(pk__in=good)) if kinds.of(project).is_picture else 0
    with step.write():
        # Other writers wait for its end.
        update_numbers(Item, "row", {pk: rows_before + offset for offset, pk in enumerate(good)})
        if good:
            store_sums(project, project.features_generation, [RowSum.of(rows_before, block)])
        change_each("UPDATE labeling_item SET encode_error = %s WHERE id = %s", [(bad[pk][:300], pk) for pk in bad])
        Project.objects.filter(pk=project.pk).update(encoded_rows=F("encoded_rows") + len(good))
        if also is not None and change is not None:
            change.store(also)
        if pictures:
            quota.count(project, media=pictures)
    project.encoded_rows += len(good)


def _current_encoder(step: Step, project: Project, *, changing: bool) -> Encoder:
    """Return the stored encoder, or a new one if there is none or if the stored one is to be fitted again. None is
    fitted again while a manager is `changing` the encoder.
    """
    if project.features_generation:
        kind = encoder_of(project.kind, project.encoder)
        learns = kind.fit_samples > 0 and not changing and not project.versions.exists()
        fitted_on = min(project.encoded_rows, kind.fit_samples)
        available = min(project.items.filter(encode_error="").count(), kind.fit_samples) if learns else 0
        if not learns or available < REFIT_GROWTH * fitted_on:
            return load_encoder(project)
    return start_generation(step, project)


def _encoded_before(project: Project, rows: deque[list[int]]) -> Iterator[list[ItemColumns]]:
    """Yield the items that have a row in the chunks in which they were encoded; append each chunk's rows to `rows`."""
    for start in range(0, project.encoded_rows, CHUNK):
        items = project.items.filter(row__gte=start, row__lt=start + CHUNK).order_by("row")
        if chunk := columns_of(items):
            rows.append([row for row in items.values_list("row", flat=True) if row is not None])
            yield chunk


def _first_items(project: Project) -> list[Any]:
    """Return the raw contents of some items, without those whose source is away."""
    away: dict[int | None, references.SourceAway] = {}
    while True:
        try:
            return sample_of(references.without(project.items.all(), away), project, FIRST_LOOK)
        except references.SourceAway as error:
            if error.source in away:
                return []
            away[error.source] = error


def start_generation(step: Step, project: Project) -> Encoder:
    """Fit an encoder, encode all items that have a row again, and then switch the project to the new files.

    Raises `StepFailed` if the encoder is not available, if an item cannot be read any more, or if the project's encoder
    was changed meanwhile; and `GaveWay` as `fit_generation`.
    """
    before = project.encoder
    if before.get("by") == BY_DEFAULT and (samples := _first_items(project)):
        project.encoder = default_choice(project.kind, samples)
    try:
        kind, options = encoder_with_options(project.kind, project.encoder)
    except ValidationError as error:
        name = name_of(project.kind, project.encoder)
        raise StepFailed(f"The encoder {name!r}: {error.messages[0]}") from error
    generation = project.features_generation + 1
    encoder = fit_generation(step, project, kind, options, generation, should_give_way=step.should_give_way)
    path = ProjectFiles(project).features(generation)
    report = step.progress("encoding items anew")
    start, sums = 0, []
    rows: deque[list[int]] = deque()
    for encoded in encoded_chunks(project, encoder, _encoded_before(project, rows)):
        if encoded.bad:
            raise StepFailed("Files of items that were encoded before can no longer be read. Restore them, then retry.")
        places = rows.popleft()
        stop = min((places[-1] // CHUNK + 1) * CHUNK, project.encoded_rows)
        block = in_rows(encoder, encoded.block, places, start, stop)
        append_rows(path, rows_before=start, block=block)
        sums.append(RowSum.of(start, block))
        start = stop
        report(start / project.encoded_rows)
    if start < project.encoded_rows:
        nothing = np.empty((0, encoder.dim), encoder.dtype)
        append_rows(path, rows_before=start, block=in_rows(encoder, nothing, [], start, project.encoded_rows))
    with step.write():
        # A manager may have chosen another encoder meanwhile.
        same = Project.objects.filter(pk=project.pk, encoder=before)
        if not same.update(features_generation=generation, encoder=project.encoder):
            raise StepFailed("Another encoder was chosen while this one was set up. Retry.")
        store_sums(project, generation, sums)
        pretraining.close_open_entries(project)
    forget(ProjectFiles(project).pretraining)
    project.features_generation = generation
    return encoder
