"""The change of a project to another encoder: its rows are encoded with that one, too, into files of the next
generation. The step `encode` works on it, and the next training carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.core.exceptions import ValidationError

from labeling.loop.step import ComputeAway, GaveWay, Step, StepFailed
from labeling.models import EncoderChange, FeatureSum, Job, Project
from labeling.projects.encoders.encoder_settings import encoder_with_options
from labeling.projects.privacy import pretraining
from labeling.steps.features import CHUNK, ItemColumns, columns_of, encoded_chunks, in_rows, load_encoder
from labeling.steps.fitting import fit_generation
from labeling.storage.arrays.features import RowSum, append_rows, store_sums, sums_of
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from models_store.encoders import Encoder
from models_store.training import forget


class Change:
    """The change to another encoder: it encodes the project's rows into the files of the next generation.

    A problem with the new encoder is recorded on the change, and ends no step: items are encoded as before.
    """

    def __init__(self, project: Project, row: EncoderChange) -> None:
        self._project, self._row = project, row
        self._files = ProjectFiles(project)
        self._encoder: Encoder | None = None
        self._new_wait = False

    @classmethod
    def of(cls, project: Project) -> Change | None:
        """Return the project's change; None without one, or if it has a problem."""
        row = EncoderChange.objects.filter(project=project, problem="").first() if project.features_generation else None
        return None if row is None else cls(project, row)

    @property
    def is_ready(self) -> bool:
        """Whether the next generation covers all rows."""
        return not self._row.problem and self._row.generation > 0 and self._row.rows == self._project.encoded_rows

    def catch_up(self, step: Step, *, new_wait: bool = False) -> bool:
        """Encode the rows that the next generation lacks; return False if the step has to give way first. `new_wait`:
        new items wait for the server of the present encoder, so this does not give way to them.
        """
        self._new_wait = new_wait
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
                if self._should_give_way(step):
                    return False
        except StepFailed as failed:
            self._give_up(step, str(failed))
        except FileDamaged:
            begin_again(step, self._row)
            raise GaveWay from None
        return True

    def block_of(self, step: Step, keys: Sequence[int]) -> np.ndarray | None:
        """Append the features of these items to the file of the next generation, and return them. Call `store` in the
        transaction that gives the items their rows. None if they cannot be encoded, or not now.
        """
        try:
            self._set_up(step)
            items = {item.pk: item for item in columns_of(self._project.items.filter(pk__in=keys))}
            block = self._encode([items[key] for key in keys])
            self._append(block)
        except StepFailed as failed:
            self._give_up(step, str(failed))
            return None
        except ComputeAway:  # `catch_up` asks again
            return None
        except FileDamaged:
            begin_again(step, self._row)
            raise GaveWay from None
        return block

    def store(self, block: np.ndarray) -> None:
        """Count the rows of an appended block, in a transaction. Raises `GaveWay` if the change is over."""
        start, stop = self._row.rows, self._row.rows + len(block)
        if not EncoderChange.objects.filter(pk=self._row.pk, rows=start).update(rows=stop):
            raise GaveWay
        store_sums(self._project, self._row.generation, [RowSum.of(start, block)])
        self._row.rows = stop

    def _set_up(self, step: Step) -> None:
        """Load the new encoder, or fit it and begin its files. Raises `StepFailed` or `GaveWay`."""
        if self._encoder is not None:
            return
        if self._row.generation:
            self._encoder = load_encoder(self._project, self._row.generation)
            return
        generation = self._project.features_generation + 1
        try:
            kind, options = encoder_with_options(self._project.kind, self._row.choice)
        except ValidationError as error:
            raise StepFailed(error.messages[0]) from error
        encoder = fit_generation(
            step, self._project, kind, options, generation, should_give_way=lambda: self._should_give_way(step)
        )
        with step.write():
            FeatureSum.objects.filter(project=self._project, generation=generation).delete()
            EncoderChange.objects.filter(pk=self._row.pk).update(generation=generation)
            pretraining.close_open_entries(self._project)
        forget(self._files.pretraining)
        self._row.generation, self._encoder = generation, encoder

    def _should_give_way(self, step: Step) -> bool:
        """Return whether an urgent step is due, or new items wait: the next attempt encodes these first."""
        return step.should_give_way() or (not self._new_wait and self._project.items.unencoded().exists())

    def _append(self, block: np.ndarray) -> None:
        append_rows(self._files.features(self._row.generation), rows_before=self._row.rows, block=block)

    def _block_of_rows(self, start: int, stop: int) -> np.ndarray:
        """Return the features of these rows; zeros for an item that was removed for good."""
        items = self._project.items.filter(row__gte=start, row__lt=stop).order_by("row")
        encoded = self._encode(columns_of(items))
        assert self._encoder is not None
        return in_rows(self._encoder, encoded, items.values_list("row", flat=True), start, stop)

    def _encode(self, items: Sequence[ItemColumns]) -> np.ndarray:
        assert self._encoder is not None
        [encoded] = encoded_chunks(self._project, self._encoder, [items])
        if encoded.bad:
            pk, reason = next(iter(encoded.bad.items()))
            # By its number: this sentence outlives an item that is erased.
            raise StepFailed(f"The item {pk} cannot be encoded: {reason}")
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
    """Return the project's change if its files cover all rows and are whole; else None. Damaged ones are made again."""
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
