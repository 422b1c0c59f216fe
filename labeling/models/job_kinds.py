"""The declarations of all kinds of background steps. `labeling/steps/registry.py` binds each kind to its function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """The facts about one kind of step that workers, pages and monitors use."""

    phase: str
    """The phase that pages show until the step reports its own."""
    awaited_by: Literal["batch", "annotators", "managers", "no one"]
    """Who waits for the end of the step. Workers begin steps with `batch` (the loop) or `annotators`, the urgent steps,
    first. They begin steps with `no one`, the patient steps, last, and these give way to all others.
    """
    fails: str = ""
    """The row that fails with the step, as a path of attributes from the job. Its `step_failed` stores the reason; a
    batch changes its state by the table of the loop.
    """
    settings: tuple[str, ...] = ()
    """The fields of the project that the step depends on. If one changes, the step is ended and starts again."""
    long: bool = False
    """Whether workers begin the step after short steps that are due."""
    in_turn: bool = False
    """Whether a project's steps of this kind run one after the other, in the order of their jobs."""
    binds: bool = False
    """Whether the step writes rows about items that it read before: no item is erased while it runs."""
    spends_privacy: bool = False
    """Whether each start spends privacy budget, in a project with a budget."""
    asks_outside: Literal["", "always", "its source", "its server", "sources of files", "encoders"] = ""
    """When the step asks servers that are not the operator's, or that may hang: always, or if the job's import has a
    source, its predictions come from a server, files of the project's items stay at sources, or the project has servers
    for embeddings, which the steps that read files ask, too. Workers run such steps in places of their own:
    `labeling.loop.outside`.
    """

    @property
    def waits_outside(self) -> bool:
        """Whether a server outside takes most of the step's time, if the step asks one."""
        return self.asks_outside not in ("", "sources of files", "encoders")


class Kind(StrEnum):
    """The name of each kind, as in rows, commands and metrics; `facts` holds its declaration."""

    facts: JobKind

    IMPORT = (
        "import",
        JobKind(phase="importing items", awaited_by="managers", fails="item_import", asks_outside="its source"),
    )
    SOURCE = "source", JobKind(phase="checking a source", awaited_by="managers", asks_outside="always")
    ENCODE = (
        "encode",
        JobKind(
            phase="encoding items",
            awaited_by="managers",
            settings=("encoder",),
            binds=True,
            asks_outside="sources of files",
        ),
    )
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
    SETTLE = "settle", JobKind(phase="settling the labels", awaited_by="batch", fails="batch", binds=True)
    GIVEN = (
        "given",
        JobKind(
            phase="reading predictions from outside",
            awaited_by="managers",
            fails="prediction_set",
            asks_outside="its server",
        ),
    )
    EMBED = "embed", JobKind(phase="surveying the pool", awaited_by="batch", fails="batch")
    CLUSTER = "cluster", JobKind(phase="clustering the pool", awaited_by="batch", fails="batch")
    SELECT = "select", JobKind(phase="picking the next batch", awaited_by="batch", fails="batch", binds=True)
    REPICK = (
        "repick",
        JobKind(phase="picking the batch again with the newest model", awaited_by="annotators", long=True, binds=True),
    )
    REPLACE = "replace", JobKind(phase="replacing skipped items", awaited_by="annotators", binds=True)
    RELABEL = "relabel", JobKind(phase="changing labels", awaited_by="annotators", binds=True)
    SURVEY = "survey", JobKind(phase="surveying the pool", awaited_by="no one")
    PREDICT = (
        "predict",
        JobKind(phase="predicting", awaited_by="managers", fails="prediction", asks_outside="encoders"),
    )
    REGISTER = "register", JobKind(phase="registering a model", awaited_by="managers", fails="registration")
    TRACK = (
        "track",
        JobKind(phase="sending the version to MLflow", awaited_by="managers", fails="tracked", asks_outside="always"),
    )
    BASELINE = (
        "baseline",
        JobKind(phase="estimating what uniform labels would do", awaited_by="no one", settings=("model", "training")),
    )
    CALIBRATE = (
        "calibrate",
        JobKind(
            phase="calibrating the model",
            awaited_by="no one",
            fails="batch.model_version",
            settings=("model", "training"),
        ),
    )
    MISLABELED = (
        "mislabeled",
        JobKind(phase="looking for label errors", awaited_by="no one", settings=("model", "training")),
    )
    ENCODERS = (
        "encoders",
        JobKind(
            phase="measuring encoders",
            awaited_by="no one",
            settings=("model", "training"),
            asks_outside="sources of files",
        ),
    )
    FINISH = "finish", JobKind(phase="proving labels of the model", awaited_by="managers", binds=True)
    DATASET = "dataset", JobKind(phase="writing a dataset version", awaited_by="managers", fails="dataset")
    REBUILD = "rebuild", JobKind(phase="rebuilding damaged files", awaited_by="no one", asks_outside="sources of files")

    def __new__(cls, name: str, *facts: JobKind) -> Kind:
        kind = str.__new__(cls, name)
        kind._value_ = name
        [kind.facts] = facts
        return kind


LOOP_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by == "batch"]
URGENT_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by in ("batch", "annotators")]
PATIENT_KINDS = [kind.value for kind in Kind if kind.facts.awaited_by == "no one"]
LONG_KINDS = [kind.value for kind in Kind if kind.facts.long]
KINDS_IN_TURN = [kind.value for kind in Kind if kind.facts.in_turn]
BINDING_KINDS = [kind.value for kind in Kind if kind.facts.binds]
SPENDING_KINDS = [kind.value for kind in Kind if kind.facts.spends_privacy]
