"""Encode: compute the features of new items with the frozen encoder, and give each item its row in the matrices.

If a manager has chosen another encoder (`EncoderChange`), the step then encodes all rows with that one, into files of
the next generation. Once these cover all rows, new items get their features of both generations in one transaction.
Only this step writes the numbers of rows of both, and a project has one such step at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.core.exceptions import ValidationError
from django.db.models import F

from labeling import kinds
from labeling.answering import batches
from labeling.arrays.files import ProjectFiles, RowSum, append_rows, sum_of
from labeling.arrays.sums import keep, sums_of
from labeling.db.statements import change_each, update_numbers
from labeling.disk.files import FileDamaged, reading
from labeling.kinds import media
from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import EncoderChange, FeatureSum, Item, Job, Project
from labeling.models.items import ItemQuerySet
from labeling.projects.encoder_settings import chosen, name_of, settled_choice
from labeling.shared_files import read_whole, store
from labeling.steps.compute import compute
from models_store import encoders
from models_store.encoders import Encoder, EncoderDamagedError, EncoderFileError, EncoderSetupError

CHUNK = 512
# An encoder fitted to the pool is fitted again before the first version is trained, if its samples grow by this factor.
REFIT_GROWTH = 1.5


def encode(step: Step) -> None:
    """Encode every item that has no row yet; then enqueue the selection of a first or next batch, if it is due."""
    project = step.job.project
    change = Change.of(project)
    changing = EncoderChange.objects.filter(project=project).exists()
    encoder = _current_encoder(step, project, changing=changing)
    if not (_encode_new(step, project, encoder, change) and (change is None or change.catch_up(step))):
        step.give_way()
        return
    with step.finish():
        batches.arrived(project=project)
        batches.ensure_next(project=project)


def _encode_new(step: Step, project: Project, encoder: Encoder, change: Change | None) -> bool:
    """Encode the items that have no row; return False if the step has to give way first."""
    report = step.progress("encoding items")
    missing = project.items.unencoded().count()
    n_encoded = 0
    # Read only the chunks that are encoded at once: every import may change the order of the unencoded items.
    while chunks := _chunks(project.items.unencoded()[: CHUNK * compute.side_by_side]):
        for encoded in _encoded(project, encoder, chunks):
            _store(step, project, encoded, change)
            n_encoded += len(encoded.good) + len(encoded.bad)
            report(n_encoded / max(missing, n_encoded))
            if step.should_give_way():
                return False
    return True


class _Item(NamedTuple):
    """The columns that encoding reads of an item: full instances would take a third of the time of encoding vectors."""

    pk: int
    data: dict[str, Any]
    media: str
    media_offset: int


def _read(items: ItemQuerySet) -> list[_Item]:
    return [_Item._make(row) for row in items.values_list(*_Item._fields)]


def _chunks(items: ItemQuerySet) -> list[list[_Item]]:
    """Return the items in chunks of `CHUNK`: the last bits of an item's features depend on the other items in its
    chunk.
    """
    every = _read(items)
    return [every[start : start + CHUNK] for start in range(0, len(every), CHUNK)]


class _Encoded(NamedTuple):
    """Features of the encodable items, their keys, and the reasons by key why the others cannot be encoded."""

    block: np.ndarray
    good: list[int]
    bad: dict[int, str]


def _store(step: Step, project: Project, encoded: _Encoded, change: Change | None) -> None:
    """Append the block to the file, then give its items their rows in one transaction; in both generations if the next
    one covers all rows.
    """
    block, good, bad = encoded
    rows_before = project.encoded_rows
    also = change.block_of(step, good) if good and change is not None and change.is_ready else None
    if good:
        path = ProjectFiles(project).features(project.features_generation)
        append_rows(path, rows_before=rows_before, block=block)
    with step.write():
        # Other writers wait for its end.
        update_numbers(Item, "row", {pk: rows_before + offset for offset, pk in enumerate(good)})
        if good:
            keep(project, project.features_generation, [_sum_of(rows_before, block)])
        change_each("UPDATE labeling_item SET encode_error = %s WHERE id = %s", [(bad[pk][:300], pk) for pk in bad])
        Project.objects.filter(pk=project.pk).update(encoded_rows=F("encoded_rows") + len(good))
        if also is not None and change is not None:
            change.store(also)
    project.encoded_rows += len(good)


def _sum_of(start: int, block: np.ndarray) -> RowSum:
    return RowSum(start, start + len(block), sum_of(block))


def _encoded(project: Project, encoder: Encoder, chunks: Iterable[Sequence[_Item]]) -> Iterator[_Encoded]:
    """Yield the encoded items of each chunk, in order. Raises `StepFailed` if the encoder lacks a library."""
    read: deque[tuple[list[int], dict[int, str]]] = deque()

    def contents() -> Iterator[list[Any]]:
        for items in chunks:
            good: dict[int, Any] = {}
            bad: dict[int, str] = {}
            for item, raw in zip(items, _raw_contents(project, items), strict=True):
                if isinstance(raw, FileDamaged):
                    bad[item.pk] = f"Its file cannot be read: {raw.problem}."
                elif isinstance(raw, OSError):
                    bad[item.pk] = f"Its file cannot be read: {raw.strerror or raw}"
                else:
                    good[item.pk] = raw
            read.append((list(good), bad))
            yield list(good.values())

    for block, wrong in _computed(encoder, contents()):
        good, bad = read.popleft()
        bad |= {good[at]: reason for at, reason in wrong.items()}
        yield _Encoded(block, [pk for at, pk in enumerate(good) if at not in wrong], bad)


def encode_items(
    project: Project, encoder: Encoder, items: ItemQuerySet, report: Callable[[float], object]
) -> np.ndarray:
    """Return features (n, dim) of the items, in their order, from any encoder. Raises `StepFailed` if one cannot be
    encoded.
    """
    chunks, blocks = _chunks(items), []
    for encoded in _encoded(project, encoder, chunks):
        if encoded.bad:
            raise StepFailed(f"An item cannot be encoded: {next(iter(encoded.bad.values()))}")
        blocks.append(encoded.block)
        report(len(blocks) / len(chunks))
    return np.concatenate(blocks) if blocks else np.empty((0, encoder.dim), encoder.dtype)


def encode_good(encoder: Encoder, raws: Sequence[Any]) -> tuple[np.ndarray, dict[int, str]]:
    """Return features of the encodable raw items, in order, and the reasons by place why the others cannot be encoded.

    Raises `StepFailed` if the encoder lacks a library.
    """
    return next(_computed(encoder, [raws]))


def _computed(encoder: Encoder, chunks: Iterable[Sequence[Any]]) -> Iterator[tuple[np.ndarray, dict[int, str]]]:
    try:
        yield from compute.encode(encoder, chunks)
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error


def _raw_contents(project: Project, items: Sequence[_Item]) -> list[Any]:
    """Return the encoder's input for each item, by the item's kind; an error object if its file is missing or
    damaged.
    """
    kind = kinds.of(project)
    blocks: dict[str, np.ndarray] = {}
    contents: list[Any] = []
    media.bring(item.media for item in items)
    for item in items:
        try:
            contents.append(kind.raw(item.data, media.read(item.media, item.media_offset, blocks)))
        except (OSError, FileDamaged) as error:
            contents.append(error)
    return contents


def load_encoder(project: Project, generation: int | None = None) -> Encoder:
    """Return the project's frozen encoder, or that of another generation of its features.

    Raises `FileDamaged`, or `StepFailed` if this server cannot load the encoder.
    """
    try:
        return read_whole(ProjectFiles(project).encoder(generation or project.features_generation), _read_encoder)
    except EncoderFileError as error:
        raise StepFailed(f"The encoder cannot be loaded: {error}.") from error


def _read_encoder(path: Path) -> Encoder:
    try:
        with reading(path):  # raises `FileDamaged` with the reason if the file cannot be opened
            return encoders.load(path)
    except EncoderDamagedError as error:
        raise FileDamaged(path, str(error).removeprefix(f"{path}: ")) from error


def _current_encoder(step: Step, project: Project, *, changing: bool) -> Encoder:
    """Return the stored encoder, or a new one if there is none or if the stored one is to be fitted again. None is
    fitted again while a manager is `changing` the encoder.
    """
    if project.features_generation:
        kind = chosen(project.kind, project.encoder)
        learns = kind.fit_samples > 0 and not changing and not project.versions.exists()
        fitted_on = min(project.encoded_rows, kind.fit_samples)
        available = min(project.items.filter(encode_error="").count(), kind.fit_samples) if learns else 0
        if not learns or available < REFIT_GROWTH * fitted_on:
            return load_encoder(project)
    return start_generation(step, project)


def _encoded_before(project: Project) -> Iterator[list[_Item]]:
    """Yield the items that have a row, in the order of their rows, in the chunks in which they were encoded."""
    for start in range(0, project.encoded_rows, CHUNK):
        yield _read(project.items.filter(row__gte=start, row__lt=start + CHUNK).order_by("row"))


def encode_rows(project: Project, encoder: Encoder, start: int, stop: int) -> np.ndarray:
    """Encode the items of these rows again: features (stop - start, dim). Raises `StepFailed` if some of them cannot be
    read any more.
    """
    items = _read(project.items.filter(row__gte=start, row__lt=stop).order_by("row"))
    [encoded] = _encoded(project, encoder, [items])
    if len(encoded.good) < stop - start:
        reason = next(iter(encoded.bad.values()), "some items are gone")
        raise StepFailed(
            f"The rows {start:,} to {stop:,} of the features are damaged, and cannot be encoded again: {reason} "
            "Restore their files from a backup, then retry."
        )
    return encoded.block


def fit_encoder(step: Step, project: Project, kind: type[Encoder], options: Mapping[str, Any]) -> Encoder:
    """Return an encoder of this class, fitted to the project's items. Raises `StepFailed` if it lacks a library."""
    samples: list[Any] = []
    if kind.fit_samples:
        step.progress("fitting the encoder")(0)
        # The front of the permutation is a uniform sample, also of an import that is sorted by class.
        chosen = project.items.filter(encode_error="").order_by("control_key")[: kind.fit_samples]
        samples = [raw for raw in _raw_contents(project, _read(chosen)) if not isinstance(raw, (OSError, FileDamaged))]
    try:
        return kind.fit(samples, **options)
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error


def start_generation(step: Step, project: Project) -> Encoder:
    """Fit an encoder, encode all items that have a row again, and then switch the project to the new files.

    Raises `StepFailed` if the encoder is not available, if an item cannot be read any more, or if the project's encoder
    was changed meanwhile.
    """
    try:
        kind, options = settled_choice(project.kind, project.encoder)
    except ValidationError as error:
        name = name_of(project.kind, project.encoder)
        raise StepFailed(f"The encoder {name!r}: {error.messages[0]}") from error
    encoder = fit_encoder(step, project, kind, options)
    files = ProjectFiles(project)
    generation = project.features_generation + 1
    files.root.mkdir(parents=True, exist_ok=True)
    files.forget(generation)  # a change of the encoder that was withdrawn may have left some
    encoder.save(files.encoder(generation))
    store().publish(files.encoder(generation))
    report = step.progress("encoding items anew")
    start, sums = 0, []
    for encoded in _encoded(project, encoder, _encoded_before(project)):
        if encoded.bad:
            raise StepFailed("Files of items that were encoded before can no longer be read. Restore them, then retry.")
        append_rows(files.features(generation), rows_before=start, block=encoded.block)
        if encoded.good:
            sums.append(_sum_of(start, encoded.block))
        start += len(encoded.good)
        report(start / project.encoded_rows)
    with step.write():
        # A manager may have chosen another encoder meanwhile.
        same = Project.objects.filter(pk=project.pk, encoder=project.encoder)
        if not same.update(features_generation=generation):
            raise StepFailed("Another encoder was chosen while this one was set up. Retry.")
        keep(project, generation, sums)
    project.features_generation = generation
    return encoder


class Change:
    """The change to another encoder: it encodes the project's rows into the files of the next generation.

    A problem with the new encoder is recorded on the change, and ends no step: items are encoded as before.
    """

    def __init__(self, project: Project, row: EncoderChange) -> None:
        self._project, self._row = project, row
        self._files = ProjectFiles(project)
        self._encoder: Encoder | None = None

    @classmethod
    def of(cls, project: Project) -> Change | None:
        """Return the project's change; None without one, or if it has a problem."""
        row = EncoderChange.objects.filter(project=project, problem="").first() if project.features_generation else None
        return None if row is None else cls(project, row)

    @property
    def is_ready(self) -> bool:
        """Whether the next generation covers all rows."""
        return not self._row.problem and self._row.generation > 0 and self._row.rows == self._project.encoded_rows

    def catch_up(self, step: Step) -> bool:
        """Encode the rows that the next generation lacks; return False if the step has to give way first."""
        report = step.progress("encoding items with another encoder")
        try:
            self._set_up(step)
            while self._row.rows < self._project.encoded_rows:
                start = self._row.rows
                block = self._block_of_rows(start, min(start + CHUNK, self._project.encoded_rows))
                self._append(block)
                with step.write():
                    self.store(block)
                report(self._row.rows / self._project.encoded_rows)
                # People wait for new items, which the next attempt encodes first.
                if step.should_give_way() or self._project.items.unencoded().exists():
                    return False
        except StepFailed as failed:
            self._give_up(step, str(failed))
        except FileDamaged:
            begin_again(step, self._row)
            raise GaveWay from None
        return True

    def block_of(self, step: Step, keys: Sequence[int]) -> np.ndarray | None:
        """Append the features of these items to the file of the next generation, and return them. Call `store` in the
        transaction that gives the items their rows. None if they cannot be encoded.
        """
        try:
            self._set_up(step)
            items = {item.pk: item for item in _read(self._project.items.filter(pk__in=keys))}
            block = self._encode([items[key] for key in keys])
            self._append(block)
        except StepFailed as failed:
            self._give_up(step, str(failed))
            return None
        except FileDamaged:
            begin_again(step, self._row)
            raise GaveWay from None
        return block

    def store(self, block: np.ndarray) -> None:
        """Count the rows of a block that was appended. Call in a transaction. Raises `GaveWay` if the change was
        withdrawn or carried out: the step begins again.
        """
        start, stop = self._row.rows, self._row.rows + len(block)
        if not EncoderChange.objects.filter(pk=self._row.pk, rows=start).update(rows=stop):
            raise GaveWay
        keep(self._project, self._row.generation, [_sum_of(start, block)])
        self._row.rows = stop

    def _set_up(self, step: Step) -> None:
        """Load the new encoder, or fit it and begin its files. Raises `StepFailed`."""
        if self._encoder is not None:
            return
        if self._row.generation:
            self._encoder = load_encoder(self._project, self._row.generation)
            return
        generation = self._project.features_generation + 1
        try:
            kind, options = settled_choice(self._project.kind, self._row.choice)
        except ValidationError as error:
            raise StepFailed(error.messages[0]) from error
        encoder = fit_encoder(step, self._project, kind, options)
        # An earlier change that was withdrawn may have left files.
        self._files.forget(generation)
        encoder.save(self._files.encoder(generation))
        store().publish(self._files.encoder(generation))
        with step.write():
            FeatureSum.objects.filter(project=self._project, generation=generation).delete()
            EncoderChange.objects.filter(pk=self._row.pk).update(generation=generation)
        self._row.generation, self._encoder = generation, encoder

    def _append(self, block: np.ndarray) -> None:
        append_rows(self._files.features(self._row.generation), rows_before=self._row.rows, block=block)

    def _block_of_rows(self, start: int, stop: int) -> np.ndarray:
        """Return the features of these rows; zeros for an item that was removed for good."""
        items = self._project.items.filter(row__gte=start, row__lt=stop).order_by("row")
        places = np.array(items.values_list("row", flat=True), np.int64) - start
        encoded = self._encode(_read(items))
        block = np.zeros((stop - start, *encoded.shape[1:]), encoded.dtype)
        block[places] = encoded
        return block

    def _encode(self, items: Sequence[_Item]) -> np.ndarray:
        assert self._encoder is not None
        [encoded] = _encoded(self._project, self._encoder, [items])
        if encoded.bad:
            pk, reason = next(iter(encoded.bad.items()))
            name = self._project.items.values_list("external_id", flat=True).get(pk=pk)
            raise StepFailed(f"The item {name} cannot be encoded: {reason}")
        return encoded.block

    def _give_up(self, step: Step, reason: str) -> None:
        with step.write():
            EncoderChange.objects.filter(pk=self._row.pk).update(problem=reason[:500])
        self._row.problem = reason


def begin_again(step: Step, change: EncoderChange) -> None:
    """Forget the files of a change: some are damaged or missing. The next step `encode` makes them again."""
    with step.write():
        EncoderChange.objects.filter(pk=change.pk).update(generation=0, rows=0)
        Job.objects.enqueue(Job.Kind.ENCODE, project=change.project)


def ready_change(step: Step, project: Project) -> EncoderChange | None:
    """Return the project's change if its files cover all rows and are whole; else None, and damaged files are made
    again.
    """
    change = EncoderChange.objects.ready().filter(project=project).first()
    if change is None:
        return None
    try:
        encoder = load_encoder(project, change.generation)
        files = ProjectFiles(project)
        stored = files.features_of(rows=change.rows, dim=encoder.dim, dtype=encoder.dtype, generation=change.generation)
        checked = stored.check(sums_of(project, change.generation))
        if checked.damaged:
            raise stored.damage(checked.damaged)
    except FileDamaged:
        begin_again(step, change)
        return None
    return change
