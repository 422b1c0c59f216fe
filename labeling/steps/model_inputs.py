"""Read the inputs of several steps: labels as arrays, training sets, recipes, features, a version's model, seeds."""

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.core.exceptions import ValidationError
from scipy.sparse import csr_array
from torch import nn

from labeling.loop.step import GaveWay, StepFailed
from labeling.models import ModelVersion, Project
from labeling.models.near_copies import COPY_WEIGHT
from labeling.projects.model_settings import learner_of
from labeling.steps.features import load_encoder
from labeling.storage.arrays.features import Features
from labeling.storage.arrays.files import ProjectFiles, check_array, load_mapped
from labeling.storage.arrays.forms import HANDED_IN, fitted
from labeling.storage.db.statements import among
from labeling.storage.disk.files import FileDamaged
from models_store import artifact, questions
from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.encoders import Encoder, EncoderSetupError
from models_store.estimators import GivenLearner
from models_store.handed_in import handed_in
from models_store.model import Model
from models_store.training import MOST_POOL, Propagated, Recipe, TrainingSet

DRAWN = 2
"""Rows that are drawn for each one of the sample: some are labeled, control items or taken out."""


@dataclass(frozen=True, slots=True)
class LabeledRows:
    """Labeled items as arrays, followed by the near-copies to learn from: rows (n,), targets by question, proposed (n,)
    for `verify`; hash: sha256 (hex) over rows and labels.
    """

    rows: np.ndarray
    targets: np.ndarray | ClassSets
    proposed: np.ndarray | None
    hash: str
    soft: csr_array | None = None
    """The probability of each class (n, n_classes), if the caller asked for soft labels."""
    propagated: Propagated | None = None
    """The sources and weights of propagated labels, if there are near-copies."""
    copies: int = 0
    """The number of near-copies."""
    labels: Sequence[Any] = ()
    """The stored labels (n,)."""


class CopyRow(NamedTuple):
    """A near-copy to learn from: its row, the row of its source item, and the source's label."""

    row: int
    source: int
    label: Any


def read_labels(
    project: Project, items: Any, n_classes: int, *, soft: bool = False, copies: Sequence[CopyRow] = ()
) -> LabeledRows:
    """Return the labeled `items` (a queryset) as arrays, with a hash over rows and labels.

    `soft`: add the probability of each class, if the question learns soft labels; the hash then covers it. `copies`:
    near-copies to append, if their sources are among the items.
    """
    # A background job rewrites labels after a merge or split of classes: this follows changes not yet written.
    followed = (
        (row, project.follow(label), index)
        for row, label, index in items.order_by("row").values_list("row", "label", "proposed")
    )
    labeled = [each for each in followed if not project.is_split(each[1])]
    places = {row: place for place, (row, *_) in enumerate(labeled)}
    copies = [copy for copy in copies if copy.source in places]
    rows = np.array([row for row, *_ in [*labeled, *copies]], np.int64)
    sources = np.array([row for row, *_ in labeled] + [copy.source for copy in copies], np.int64)
    labels = [label for _, label, _ in labeled] + [project.follow(copy.label) for copy in copies]
    targets = project.asks.targets(labels, n_classes)
    proposed = None
    if project.asks.proposes:
        proposed = np.array([index for _, _, index in labeled], np.int64)
    digest = hashlib.sha256()
    for row, label, index in labeled:
        digest.update(f"{row}\t{label}\t{index}\n".encode())
    for copy in copies:
        digest.update(f"{copy.row}\tcopy of {copy.source}\t{COPY_WEIGHT}\n".encode())
    propagated = _propagated(project, places, sources) if copies else None
    probable = None
    if soft and questions.named(project.question).learns_soft:
        probable = _probable(project, items, sources, np.asarray(targets), n_classes)
        for part in (probable.indptr, probable.indices, probable.data):
            digest.update(part.tobytes())
    return LabeledRows(rows, targets, proposed, digest.hexdigest(), probable, propagated, len(copies), labels)


def _propagated(project: Project, places: Mapping[int, int], sources: np.ndarray) -> Propagated:
    weights = np.full(len(sources), COPY_WEIGHT, np.float32)
    weights[: len(places)] = 1
    return Propagated(np.array([places[row] for row in sources.tolist()], np.int64), weights)


def _probable(project: Project, items: Any, rows: np.ndarray, labels: np.ndarray, n_classes: int) -> csr_array:
    """Return the probability of each class (n, n_classes) for these rows; 1 for a label without a distribution."""
    several = dict(items.filter(label_distribution__isnull=False).values_list("row", "label_distribution"))
    cells: list[tuple[int, int, float]] = []
    for place, (row, label) in enumerate(zip(rows.tolist(), labels.tolist(), strict=True)):
        follows = [(project.follow(value), p) for value, p in several.get(row, ())]
        known = [(value, p) for value, p in follows if not project.is_split(value) and p > 0] or [(label, 1.0)]
        total = sum(p for _, p in known)
        cells += [(place, value, p / total) for value, p in known]
    table = np.array(cells, np.float64).reshape(-1, 3)
    places, columns = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return csr_array((table[:, 2], (places, columns)), shape=(len(rows), n_classes))


def seed_for(project: Project, purpose: str, number: int) -> int:
    """Return a seed for one purpose, derived from the project's seed: different purposes have independent streams."""
    digest = hashlib.sha256(f"{project.seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def open_features(project: Project, encoder: Encoder, of: int | None = None) -> Features:
    """Return the features of all encoded rows, with `encoded_rows` read anew. Raises `GaveWay` if another encoder took
    over since the step began: it begins again, with the new features. `of`: the features of another generation.
    """
    generation = project.features_generation
    project.refresh_from_db(fields=["encoded_rows", "features_generation"])
    if project.features_generation != generation:
        raise GaveWay
    files, rows = ProjectFiles(project), project.encoded_rows
    return files.features_of(rows=rows, dim=encoder.dim, dtype=encoder.dtype, generation=of)


class VersionDamaged(StepFailed):
    """A version's files are missing or damaged. `problem` names the file and the damage in one line."""

    def __init__(self, version: ModelVersion, error: Exception | str) -> None:
        location = ProjectFiles(version.project).artifact_at(version.files)
        self.version, self.problem = version, str(error).removeprefix(f"{location}/").removeprefix(f"{location}: ")
        super().__init__(f"Model version {version.number} cannot be loaded: {self.problem}")


def load_model(project: Project, version: ModelVersion, *, at: datetime.datetime | None = None) -> Model:
    """Return the version's model with its calibration at the moment `at`, by default the current one. Raises
    `VersionDamaged` if its artifact is missing or damaged, and `StepFailed` if it has none.
    """
    if version.no_model:
        raise StepFailed(version.no_model)
    location = ProjectFiles(project).artifact_at(version.artifact)
    try:
        return artifact.load(location, digest=version.digest, calibration=version.calibration_at(at))
    except artifact.ArtifactError as error:
        raise VersionDamaged(version, error) from error


def scorer_of(project: Project, version: ModelVersion) -> tuple[Model, Features | np.ndarray]:
    """Return a model that predicts the pool, and what it reads of each row: the features or, for predictions from
    outside, these. The latter cover the first rows that the project had when they came. Errors as for `load_model`.
    """
    if not version.is_given:
        return load_model(project, version), open_features(project, load_encoder(project))
    handed = version.prediction_set
    question = "single" if handed.margins_only else project.question
    n_classes = project.classes.count() if project.asks.proposes else handed.columns
    model = handed_in(question, n_classes, columns=handed.columns, dim=handed.dim)
    path, width = ProjectFiles(project).owned(handed), handed.columns + handed.dim
    try:
        return model, fitted(path, load_mapped(path), HANDED_IN, rows=handed.rows, width=width)
    except FileDamaged as damage:
        raise VersionDamaged(version, damage) from damage


def check_handed_in(version: ModelVersion) -> None:
    """Check every byte of the version's predictions from outside. Raises `VersionDamaged`."""
    scorer_of(version.project, version)
    try:
        check_array(ProjectFiles(version.project).owned(version.prediction_set))
    except FileDamaged as damage:
        raise VersionDamaged(version, damage) from damage


def training_set_of(
    project: Project,
    labeled: LabeledRows,
    features: np.ndarray,
    encoder: Encoder,
    n_classes: int,
    representative: np.ndarray | None = None,
) -> TrainingSet:
    """Return the training set of these labels and their features (n, …). `representative`: as in `TrainingSet`."""
    return TrainingSet(
        features=features,
        targets=labeled.targets,
        question=project.question,
        n_classes=n_classes,
        input_shape=encoder.input_shape,
        proposed=labeled.proposed,
        soft=labeled.soft,
        propagated=labeled.propagated,
        representative=representative,
    )


def pool_sample(project: Project, labeled: LabeledRows, n_rows: int, seed: int) -> np.ndarray:
    """Return the rows, ascending, of up to MOST_POOL random items among the first `n_rows` rows that are not in
    `labeled`.

    Control items are left out, so that they measure a model on items that it has not seen, and items that a manager has
    taken out. The seed and the labels determine the sample, but for items that were taken out since.
    """
    rng = np.random.default_rng([seed, n_rows])
    drawn = np.setdiff1d(rng.choice(n_rows, min(n_rows, DRAWN * MOST_POOL), replace=False), labeled.rows)
    items = project.items.kept().filter(reserved=False, row__in=among(drawn.tolist()))
    rows = np.fromiter(items.order_by("row").values_list("row", flat=True), np.int64)
    return np.sort(rng.permutation(rows)[:MOST_POOL])


def recipe_of(project: Project, encoder: Encoder, n_classes: int, *, seed: int) -> Recipe:
    """Return the recipe of the project's trainings: seed, settings, learner and network.

    Raises `StepFailed` if the project's settings are not valid, or if the encoder's network needs a missing library.
    """
    try:
        learner, options = learner_of(project.model)
        config = TrainConfig.from_dict(project.training)
    except ValidationError as error:
        raise StepFailed(f"The project's model: {error.messages[0]}") from error
    except ValueError as error:
        raise StepFailed(f"The project's training settings: {error}") from error
    if learner is GivenLearner:
        raise StepFailed("This project trains no models: its batches are picked by predictions from outside.")
    return Recipe(seed, config, learner, options, network_of(encoder, n_classes))


def network_of(encoder: Encoder, n_classes: int) -> nn.Module | None:
    """Return the encoder's network for training, if any. Raises `StepFailed` if a library is missing."""
    try:
        return encoder.network(n_classes)
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error
