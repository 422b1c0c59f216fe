"""The loop as one table: for each state of a batch and each event, the next state and what follows.

This module decides and does nothing: `labeling.loop.batches.advance` carries the table out. The texts of the enums
are those of docs/explanation/loop.md, whose picture `scripts/reference.py` makes from the table.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import Q

from labeling.models import Batch, EventType
from labeling.models.job_kinds import Kind


class State(StrEnum):
    """The states of a batch. A failed batch is in one of two states, by the state that a retry goes back to."""

    NONE = "no batch"
    SELECTING = "selecting"
    READY = "ready"
    OPEN = "open"
    TRAINING = "training"
    DONE = "done"
    IMPORTING = "importing"
    SELECTION_FAILED = "failed in selection"
    TRAINING_FAILED = "failed in training"

    @property
    def columns(self) -> dict[str, str]:
        """The values of a batch's `state` and `failed_in` in this state."""
        failed = {State.SELECTION_FAILED: Batch.State.SELECTING, State.TRAINING_FAILED: Batch.State.TRAINING}
        if self in failed:
            return {"state": Batch.State.FAILED, "failed_in": failed[self]}
        return {"state": Batch.State(self.value), "failed_in": ""}


class BatchEvent(StrEnum):
    """The events of a batch."""

    DUE = "the next batch is due"
    LABELS_CAME = "labeled items come in"
    LOOKED = "the pool is predicted"
    LOOKED_TO_CLUSTER = "the pool is predicted, and the strategy needs clusters"
    CLUSTERED = "the pool is clustered"
    PICKED = "its tasks are written"
    NOTHING_LEFT = "the pool has no item left"
    OPENED = "no task of the open batch is free"
    ANSWERED = "no task lacks answers"
    UNDONE = "an answer is undone before the training begins"
    ENCODED = "its import has ended and its items are encoded"
    TRAINED = "its training has ended"
    FAILED = "its step fails"
    RETRIED = "a manager retries"
    DRAWN = "a manager has it drawn at random"
    SKIPPED = "a manager goes on without the training"


class Guard(StrEnum):
    """Conditions of a transition, on the batch's own row: the update that changes the state checks them."""

    HAS_TASKS = "it has tasks"
    IS_EMPTY = "all its tasks were removed"


GUARDS = {None: Q(), Guard.HAS_TASKS: Q(remaining=0, size__gt=0), Guard.IS_EMPTY: Q(size=0)}


class Fact(StrEnum):
    """Conditions of a job, on other rows."""

    TRAINS = "the project trains models"
    HAS_VERSION = "the project has a version"
    IS_OUTRUN = "a version has come since its selection began"
    CALIBRATES = "its version waits for its calibration"


class Follow(StrEnum):
    """Consequences of a transition for the project's other batches."""

    OPEN_READY = "the ready batch opens, if no batch is open"
    PICK_AHEAD = "the next batch is created, if batches are picked ahead and it is due"
    PICK_NEXT = "the next batch is created, if it is due"
    PICK_NEXT_OR_FINISH = "the next batch is created, if it is due; else a running goal is advanced (`finish`)"
    VERSION_CAME = "a batch that was picked ahead is picked again (`repick`)"


@dataclass(frozen=True)
class Enqueue:
    """The job that a transition enqueues: if the fact holds this one, or else, if named, the `otherwise` one.

    `of_project`: whether it is a job of the project, and not of the batch.
    """

    kind: Kind
    fact: Fact | None = None
    otherwise: Kind | None = None
    of_project: bool = False


@dataclass(frozen=True)
class Transition:
    """One line of the table.

    Parameters
    ----------
    then: what follows in the same transaction, in this order.
    guard: the condition under which this is the transition.
    stamps: the columns that get the present time.
    cleared: the columns that become empty.
    announces: the event that webhooks and notices get.
    project_first: whether the project is locked before the batch. `batches.lock` describes the order of locks.
    """

    before: State
    event: BatchEvent
    after: State
    then: tuple[Enqueue | Follow, ...] = ()
    guard: Guard | None = None
    stamps: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    announces: EventType | None = None
    project_first: bool = False


# The steps that a batch waits for in its state.
STEPS = {
    State.SELECTING: (Kind.EMBED, Kind.CLUSTER, Kind.SELECT),
    State.TRAINING: (Kind.TRAIN, Kind.SETTLE),
}
S, E, K = State, BatchEvent, Kind  # short names, so that a transition is a line
_SELECT, _FIRST_STEP = Enqueue(K.SELECT), Enqueue(K.EMBED, Fact.HAS_VERSION, otherwise=K.SELECT)
_TRAIN = Enqueue(K.TRAIN, Fact.TRAINS, otherwise=K.SETTLE)
_REPICK = Enqueue(K.REPICK, Fact.IS_OUTRUN, of_project=True)
_AFTER_ANSWERS = (_TRAIN, Follow.OPEN_READY, Follow.PICK_AHEAD)
_AFTER_TRAINING = (
    Follow.PICK_NEXT_OR_FINISH,
    Follow.VERSION_CAME,
    Enqueue(K.BASELINE, Fact.TRAINS),
    Enqueue(K.MISLABELED, Fact.TRAINS),
    Enqueue(K.CALIBRATE, Fact.CALIBRATES),
)
# There is nothing to train on.
_EMPTIED: Any = {"guard": Guard.IS_EMPTY, "stamps": ("completed_at", "done_at"), "announces": EventType.BATCH_DONE}

TRANSITIONS = (
    Transition(S.NONE, E.DUE, S.SELECTING, (_FIRST_STEP,)),
    Transition(S.SELECTING, E.LOOKED, S.SELECTING, (_SELECT,)),
    Transition(S.SELECTING, E.LOOKED_TO_CLUSTER, S.SELECTING, (Enqueue(K.CLUSTER),)),
    Transition(S.SELECTING, E.CLUSTERED, S.SELECTING, (_SELECT,)),
    # The project first: the transaction that completes the batch before this one opens the ready batch.
    Transition(S.SELECTING, E.PICKED, S.READY, (Follow.OPEN_READY, _REPICK), project_first=True),
    Transition(S.SELECTING, E.NOTHING_LEFT, S.NONE, (Follow.PICK_NEXT,)),
    Transition(S.READY, E.OPENED, S.OPEN, (Enqueue(K.SURVEY),), announces=EventType.BATCH_OPENED),
    Transition(S.OPEN, E.ANSWERED, S.TRAINING, _AFTER_ANSWERS, Guard.HAS_TASKS, stamps=("completed_at",)),
    Transition(S.OPEN, E.ANSWERED, S.DONE, (Follow.PICK_NEXT,), **_EMPTIED),
    Transition(S.READY, E.ANSWERED, S.DONE, (Follow.PICK_NEXT,), **_EMPTIED),
    Transition(S.TRAINING, E.UNDONE, S.OPEN, cleared=("completed_at",)),
    Transition(S.TRAINING, E.TRAINED, S.DONE, _AFTER_TRAINING, stamps=("done_at",), announces=EventType.BATCH_DONE),
    Transition(S.NONE, E.LABELS_CAME, S.IMPORTING),
    Transition(S.IMPORTING, E.ENCODED, S.TRAINING, (_TRAIN,), stamps=("completed_at",)),
    Transition(S.SELECTING, E.FAILED, S.SELECTION_FAILED),
    Transition(S.SELECTION_FAILED, E.RETRIED, S.SELECTING, (_FIRST_STEP,)),
    Transition(S.SELECTION_FAILED, E.DRAWN, S.SELECTING, (_SELECT,)),
    Transition(S.TRAINING, E.FAILED, S.TRAINING_FAILED),
    Transition(S.TRAINING_FAILED, E.RETRIED, S.TRAINING, (_TRAIN,)),
    Transition(S.TRAINING_FAILED, E.SKIPPED, S.TRAINING, (Enqueue(K.SETTLE),)),
)
