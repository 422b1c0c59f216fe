"""The kinds of background steps. All that differs between them is declared here, but for the function that runs a
step: `labeling/steps/registry.py` binds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """What workers, pages and monitors know of one kind of step."""

    phase: str
    """What the step does, in the words of pages, until it names a phase of its own."""
    awaited_by: Literal["batch", "annotators", "managers", "nobody"]
    """Who waits for its end. Workers begin steps of the loop (`batch`) and those that annotators wait for first, and
    steps that nobody waits for last; these give way to all others.
    """
    fails: str = ""
    """The row that fails with the step, as a path of attributes from the job. Its `step_failed` takes the reason."""
    settings: tuple[str, ...] = ()
    """Fields of the project that the step works by. A change of one ends the step, which begins anew."""
    long: bool = False
    """Among steps that may begin now, workers take a short one first."""
    in_turn: bool = False
    """A project's steps of this kind run one after the other, in the order of their causes."""
    spends_privacy: bool = False
    """Each start spends some of the budget of a project that has one."""


class Kind(StrEnum):
    """The name of each kind, as rows, commands and monitors have it; `facts` are the rest."""

    facts: JobKind

    IMPORT = "import", JobKind(phase="importing items", awaited_by="managers", fails="item_import")
    ENCODE = "encode", JobKind(phase="encoding items", awaited_by="managers", settings=("encoder",))
    TRAIN = (
        "train",
        JobKind(
            phase="training the model",
            awaited_by="batch",
            fails="batch",
            settings=("model", "training"),
            long=True,
            in_turn=True,
            spends_privacy=True,
        ),
    )
    EMBED = "embed", JobKind(phase="looking at the pool", awaited_by="batch", fails="batch")
    CLUSTER = "cluster", JobKind(phase="clustering the pool", awaited_by="batch", fails="batch")
    SELECT = "select", JobKind(phase="picking the next batch", awaited_by="batch", fails="batch")
    REPICK = (
        "repick",
        JobKind(phase="picking the batch again with the newest model", awaited_by="annotators", long=True),
    )
    REPLACE = "replace", JobKind(phase="replacing skipped items", awaited_by="annotators")
    RELABEL = "relabel", JobKind(phase="changing labels", awaited_by="annotators")
    SURVEY = "survey", JobKind(phase="surveying the pool", awaited_by="nobody")
    PREDICT = "predict", JobKind(phase="predicting", awaited_by="managers", fails="prediction")
    BASELINE = (
        "baseline",
        JobKind(phase="estimating what uniform labels would do", awaited_by="nobody", settings=("model", "training")),
    )
    CALIBRATE = (
        "calibrate",
        JobKind(
            phase="calibrating the model",
            awaited_by="nobody",
            fails="batch.model_version",
            settings=("model", "training"),
        ),
    )
    MISLABELED = (
        "mislabeled",
        JobKind(phase="looking for label errors", awaited_by="nobody", settings=("model", "training")),
    )
    REBUILD = "rebuild", JobKind(phase="rebuilding damaged files", awaited_by="nobody")

    def __new__(cls, name: str, *facts: JobKind) -> Kind:
        kind = str.__new__(cls, name)
        kind._value_ = name
        [kind.facts] = facts
        return kind


LOOP_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by == "batch"]
URGENT_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by in ("batch", "annotators")]
PATIENT_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by == "nobody"]
LONG_KINDS = [kind.value for kind in Kind if kind.facts.long]
KINDS_IN_TURN = [kind.value for kind in Kind if kind.facts.in_turn]
SPENDING_KINDS = [kind.value for kind in Kind if kind.facts.spends_privacy]
