"""A simulated project: what people and models say of each item, and the model that learns from it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.loop import seed_for, unlabeled_sample
from benchmarks.finishing.asking import Pace, Way, choose, expected
from benchmarks.finishing.copies import Copies
from benchmarks.finishing.crowd import Crowd
from benchmarks.finishing.pool import Compared, Pool, Predictions, joined
from benchmarks.seconds.people import ANCHORED, ERROR
from labeling.finishing.certifying.corrected_probabilities import (
    Checked,
    PickedBatch,
    correct_probabilities,
    still_open,
    without_prior,
)
from labeling.labels.resolving.posterior import MOST_SURE, ModelVote
from labeling.steps.batch_tasks import stand_ins
from labeling.storage.arrays.batch_forecast import split_batch
from models_store.config import TrainConfig
from models_store.model import Model
from models_store.prediction import predict
from models_store.training import Recipe, TrainingSet, train
from selector.dendrogram import Dendrogram
from selector.linkage import average_linkage
from selector.strategies import PoolArrays, pick, settle_factor

MEAN_CLUSTER_SIZE = 5.0
STRATEGY = "cluster-margin"
MOST_ANSWERS = 5
REMEMBERED = 3
ANOTHER = -1
"""Stands for any answer other than the prediction. No answer has this key."""
NEWEST = 200
"""The labels that tell how often the next ones are wrong, at least: whole batches, as `labeling.finishing.people` has
it, but without an audit's draws.
"""


@dataclass(eq=False)
class Project:
    """labels : (n,) people's labels, -1 for none. doubt : (n,) the probability that such a label is wrong.

    labeled_in : (n,) the batch in which people gave the label; -1 for none, for an audit's draws and near-copies.
    certified : (n,) the model's labels that a certificate covers, -1 for none.
    reserved : (n,) the items that control items are drawn from, `control_share` of them: they train no model.
    experience, audited : the predictions of each batch's items, and of each audit's draws, before people answered.
    picks : of each batch, the probabilities by the version that picked it, the picked items, and their share of the
        open ones.
    worst_share : of the wrong predictions, those that are wrong about the class that is wrong most often.
    differing, asked_again : answers that were not the model's label, and further answers to their items.
    near_copies : shown beside a picked item, at most; copied : (n,) the items that have their source's label.
    margin : the probability that the least certain label is wrong that is left to the model. A person is asked where an
        answer avoids wrong labels with a larger probability.
    """

    pool: Pool
    crowd: Crowd
    seed: int
    config: TrainConfig
    labels: NDArray[np.int64] = field(init=False)
    doubt: NDArray[np.float64] = field(init=False)
    certified: NDArray[np.int64] = field(init=False)
    drawn: NDArray[np.bool_] = field(init=False)
    labeled_in: NDArray[np.int64] = field(init=False)
    predictions: Predictions | None = None
    near_copies: int = 0
    control_share: float = 0.0
    reserved: NDArray[np.bool_] = field(init=False)
    copied: NDArray[np.bool_] = field(init=False)
    dendrogram: Dendrogram | None = None
    copies: Copies | None = None
    experience: list[Compared] = field(default_factory=list)
    picks: list[tuple[NDArray[np.float64], NDArray[np.int64], float]] = field(default_factory=list)
    audited: list[Compared] = field(default_factory=list)
    worst_share: float = 1.0
    batches: int = 0
    margin: float = 0.1
    differing: int = 1
    asked_again: int = 1

    def __post_init__(self) -> None:
        n = len(self.pool)
        self.labels, self.certified = np.full(n, -1), np.full(n, -1)
        self.doubt, self.drawn, self.copied = np.zeros(n), np.zeros(n, bool), np.zeros(n, bool)
        self.reserved, self.labeled_in = np.zeros(n, bool), np.full(n, -1)
        rng = np.random.default_rng(seed_for(self.seed, "reserved", 0))
        self.reserved[rng.permutation(n)[: round(self.control_share * n)]] = True

    @property
    def open(self) -> NDArray[np.int64]:
        """Return the items without a label."""
        return np.flatnonzero((self.labels < 0) & (self.certified < 0))

    def copy(self) -> Project:
        """Return the project as it is now, to go on in another way. Both have the same model and people."""
        other = copy.copy(self)
        other.labels, other.doubt, other.certified = self.labels.copy(), self.doubt.copy(), self.certified.copy()
        other.labeled_in = self.labeled_in.copy()
        other.crowd = self.crowd.copy()
        return other

    def first_batch(self, size: int) -> None:
        """Label a batch that is drawn at random."""
        rng = np.random.default_rng(seed_for(self.seed, "seed", 0))
        control, size = self._control(size, rng)
        self._ask_control(control, np.empty(0))
        others = self.pickable
        rows = others[pick("uniform", PoolArrays(size=len(others)), batch_size=size, rng=rng).indices]
        self.drawn[rows] = True
        self.ask_alone(rows)

    @property
    def pickable(self) -> NDArray[np.int64]:
        """Return the open items that batches and audits pick from."""
        return self.open[~self.reserved[self.open]]

    def release(self, tasks: float) -> None:
        """Release the reserved items that batches of this number of tasks do not ask: `labeling.finishing.advance`."""
        keep = math.ceil(self.control_share * tasks)
        rng = np.random.default_rng(seed_for(self.seed, "released", self.batches))
        self.reserved[rng.permutation(self.open[self.reserved[self.open]])[keep:]] = False

    def _control(self, size: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
        """Return a batch's control items, and how many other items it takes."""
        reserved = self.open[self.reserved[self.open]]
        others = len(self.open) - len(reserved)
        size, n_control = split_batch(others, len(reserved), batch_size=size, control_share=self.control_share)
        return rng.permutation(reserved)[:n_control], size

    def _ask_control(self, rows: NDArray[np.int64], picked: NDArray[np.float64]) -> None:
        """Ask about control items, and one more person as often as about items picked with these confidences: the
        prediction counts with a stand-in, in the decision to ask and not in the label (`labeling.steps.batch_tasks`).
        """
        predicted, asking = self.predictions, {}
        if predicted is not None and self.pool.kind.shows_predictions:
            own, rng = predicted.confidence[rows], np.random.default_rng(seed_for(self.seed, "stand in", self.batches))
            found = stand_ins(own, picked, rng)
            for row, sure in zip(rows.tolist(), np.where(np.isnan(found), own, found).tolist(), strict=True):
                asking[row] = ModelVote(int(predicted.best[row]) if sure >= 0 else ANOTHER, abs(sure))
        with self.crowd.doing("control"):
            self.settle(rows, [[answer] for answer in self.crowd.alone(rows).tolist()], asking)

    def next_batch(self, size: int) -> None:
        """Label the batch that Cluster-Margin picks, and control items."""
        self.batches += 1
        predicted, rows = self.predictions, self.open
        assert predicted is not None
        if self.dendrogram is None:
            self.dendrogram = average_linkage(predicted.embeddings)
            self.copies = Copies(self.dendrogram, self.near_copies, self.seed) if self.near_copies else None
        clusters = self.dendrogram.cut(mean_cluster_size=MEAN_CLUSTER_SIZE)
        if self.copies:
            self.ask_alone(due := self.copies.due(self.labels))
            size = max(min(size - len(due), len(self.open)), 1)
        rng = np.random.default_rng(seed_for(self.seed, "select", self.batches))
        control, size = self._control(size, rng)
        rows = self.pickable
        if not size or not len(rows):
            self._ask_control(control, np.empty(0))
            return
        arrays = PoolArrays(size=len(rows), margins=predicted.margins[rows], clusters=clusters[rows])
        factor = settle_factor(STRATEGY, arrays, batch_size=size, candidate_factor=None)
        picked = pick(STRATEGY, arrays, batch_size=size, candidate_factor=factor or 1.0, rng=rng)
        self.picks.append((predicted.uncorrected, rows[picked.indices], len(picked.indices) / len(rows)))
        rows = rows[picked.indices]
        sure = predicted.confidence[rows]
        self._ask_control(control, sure)
        ways = self.ask(rows)
        accepted = np.choose(ways, [np.zeros(len(rows)), np.full(len(rows), ANCHORED), self.crowd.errors(sure).missed])
        self.experience.append(self.compared(rows, accepted, prior=sure))
        if self.copies:
            self._copy(self.copies, rows)

    def _copy(self, copies: Copies, rows: NDArray[np.int64]) -> None:
        """Show near-copies beside answered items, and give labels to those within the radius that checks prove."""
        radius, wrong = copies.learn(self.labels)
        copies.show(self.crowd, rows, (self.labels < 0) & (self.certified < 0), radius.reach)
        items, sources = copies.propagated(self.labels, radius.trusted)
        self.labels[items], self.doubt[items], self.copied[items] = self.labels[sources], wrong, True

    def train(self) -> None:
        """Train and calibrate a model on people's labels, and predict the pool."""
        rows = np.flatnonzero((self.labels >= 0) & ~self.copied & ~self.reserved)
        seed = seed_for(self.seed, "train", self.batches)
        labeled = TrainingSet(
            self.pool.features[rows],
            self.pool.kind.targets(self.labels[rows]),
            self.pool.kind.question,
            self.pool.kind.n_classes,
            self.pool.input_shape,
            representative=self.drawn[rows],
            pool=self.pool.features[unlabeled_sample(len(self.pool), rows, seed)],
        )
        model: Model = train(labeled, Recipe(seed, self.config)).model
        kind, pool = self.pool.kind, self.pool.features
        parts = [
            (*kind.predicted(part), part.margins, part.embeddings) for part in predict(model, pool, extras=kind.extras)
        ]
        best, uncorrected, margins, embeddings = (np.concatenate(each) for each in zip(*parts, strict=True))
        self.predictions = Predictions(best, uncorrected, uncorrected, margins, embeddings)
        control = np.flatnonzero((self.labels >= 0) & self.reserved)
        drawn = self.compared(control)
        earlier = [PickedBatch(said[control], said[rows], share) for said, rows, share in self.picks]
        weighed = replace(drawn.checked, weight=still_open(len(control), earlier, self.control_share))
        picked = [*self.experience[-REMEMBERED:], *self.audited]
        wrong = np.concatenate([each.wrong for each in [drawn, *picked]])
        self.worst_share = float((wrong.sum(axis=0).max() + 1) / (wrong.any(axis=1).sum() + 1))
        self.predictions.confidence = correct_probabilities(
            uncorrected, weighed, joined([each.checked for each in picked])
        )

    def compared(
        self,
        rows: NDArray[np.int64],
        accepted: NDArray[np.float64] | None = None,
        prior: NDArray[np.float64] | None = None,
    ) -> Compared:
        """Return the model's predictions of these labeled items beside their labels.

        accepted : as in `Checked`. prior : the probabilities of the predictions, if they counted towards the labels.
        """
        predicted = self.predictions
        assert predicted is not None
        wrong = self.pool.kind.wrong_about(predicted.best[rows], self.labels[rows])
        right = np.asarray(~wrong.any(axis=1))
        accepted = np.zeros(len(rows)) if accepted is None else accepted
        error = self.doubt[rows]
        if prior is not None and self.pool.kind.shows_predictions:
            prior = np.clip(prior, 1 / self.pool.kind.n_classes, MOST_SURE)
            error = np.where(right, error, without_prior(error, prior))
        return Compared(Checked(predicted.uncorrected[rows], right, error, accepted), wrong)

    def ask(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Label these items, each in the way that is expected to be the cheapest, and return these ways."""
        predicted = self.predictions
        assert predicted is not None
        if not self.pool.kind.shows_predictions:
            self.ask_alone(rows)
            return np.full(len(rows), Way.ALONE)
        sure = predicted.confidence[rows].astype(float)
        ways = choose(sure, self.pace, self.crowd.errors(sure), price=self.crowd.task / self.margin)
        self.ask_alone(rows[ways == Way.ALONE])
        self.ask_with_suggestions(rows[ways == Way.SUGGESTED])
        self.ask_in_grids(rows[ways == Way.GRID])
        return ways

    def ask_alone(self, rows: NDArray[np.int64]) -> None:
        self.settle(rows, [[answer] for answer in self.crowd.alone(rows).tolist()])

    def ask_with_suggestions(self, rows: NDArray[np.int64]) -> None:
        predicted = self.predictions
        assert predicted is not None
        guesses = predicted.best[rows]
        answers = self.crowd.suggested(rows, guesses)
        sure = predicted.confidence[rows].astype(float)
        errors = self.crowd.errors(sure)
        wrongly = errors.follows + (1 - errors.follows) * errors.alone / self.pool.kind.others
        rightly = errors.follows + (1 - errors.follows) * (1 - errors.alone)
        self._confirm(rows, answers, guesses, (1 - sure) * wrongly / ((1 - sure) * wrongly + sure * rightly))

    def _confirm(
        self,
        rows: NDArray[np.int64],
        answers: NDArray[np.int64],
        guesses: NDArray[np.int64],
        doubt: NDArray[np.float64],
    ) -> None:
        """Write the labels that people confirmed, whose probability to be wrong is `doubt`, and settle the others."""
        kept = answers == guesses
        self.labels[rows[kept]], self.doubt[rows[kept]] = answers[kept], doubt[kept]
        self.labeled_in[rows[kept]] = self.batches
        self.settle(rows[~kept], [[answer] for answer in answers[~kept].tolist()])

    def ask_in_grids(self, rows: NDArray[np.int64]) -> None:
        """Label items in grids of one predicted class, the surest first, so that wrong ones stand together."""
        predicted = self.predictions
        assert predicted is not None
        rows = rows[np.argsort(-predicted.confidence[rows], kind="stable")]
        guesses = predicted.best[rows]
        with self.crowd.doing("grids"):
            answers = self.crowd.in_grids(rows, guesses)
        sure = predicted.confidence[rows].astype(float)
        missed = (1 - sure) * self.crowd.errors(sure).missed
        self._confirm(rows, answers, guesses, missed / (missed + sure))

    def settle(
        self, rows: NDArray[np.int64], answers: list[list[int]], asking: Mapping[int, ModelVote] | None = None
    ) -> None:
        """Ask further people about items in doubt, and write labels: the most probable values.

        asking : predictions, by item, that count in the decision to ask but not towards the label.
        """
        kind, error = self.pool.kind, self.crowd.error
        for row, votes in zip(rows.tolist(), answers, strict=True):
            word, first = self._word(row), votes[0]
            in_doubt = word if asking is None else asking.get(row)
            while len(votes) < MOST_ANSWERS and 1 - kind.most_probable(votes, error, in_doubt)[1] > self.margin:
                with self.crowd.doing("overlap"):
                    votes.append(int(self.crowd.alone(np.array([row]))[0]))
            value, probability = kind.most_probable(votes, error, word)
            if word and first != word.value:
                self.differing, self.asked_again = self.differing + 1, self.asked_again + len(votes) - 1
            self.labels[row], self.doubt[row], self.labeled_in[row] = value, 1 - probability, self.batches

    @property
    def pace(self) -> Pace:
        """Return the pace that the project has measured."""
        return replace(self.crowd.pace(), again=self.crowd.task * self.asked_again / self.differing)

    def _word(self, row: int) -> ModelVote | None:
        """Return the prediction that counts towards the label: not of control items, whose labels measure models."""
        predicted = self.predictions
        if predicted is None or not self.pool.kind.shows_predictions or self.reserved[row]:
            return None
        return ModelVote(int(predicted.best[row]), float(predicted.confidence[row]))

    @property
    def people_error(self) -> float:
        """Return the share of people's next labels that are expected to be wrong: as of the newest batches."""
        by_batch = np.sort(self.labeled_in)[::-1][: int((self.labeled_in >= 0).sum())]
        if not len(by_batch):
            return ERROR
        oldest = by_batch[min(NEWEST, len(by_batch)) - 1]
        return float(self.doubt[self.labeled_in >= oldest].mean())

    def price(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected seconds for each item by the probability of the model's label, as a share of those for an
        item alone.
        """
        if not self.pool.kind.shows_predictions:
            return np.ones(len(probabilities))
        pace, errors = self.pace, self.crowd.errors(probabilities)
        ways = choose(probabilities, pace, errors, price=self.crowd.task / self.margin)
        seconds, _ = expected(probabilities, pace, errors)
        return np.asarray(seconds[ways, np.arange(len(ways))] / self.crowd.task)
