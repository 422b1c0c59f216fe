"""Ways to a label for every item of a pool."""

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.datasets import Source
from benchmarks.efficiency.loop import seed_for
from benchmarks.finishing.answers import AnswerKind
from benchmarks.finishing.crowd import Crowd
from benchmarks.finishing.pool import Pool
from benchmarks.finishing.project import Project
from labeling.finishing.certifying.forecast import Option, cheapest
from labeling.finishing.certifying.people import chance_missed
from labeling.finishing.certifying.plan import Plan, Target, of_attempt, stratify
from labeling.finishing.certifying.schedule import Outlook, advise, begins, draws, outlook
from models_store.config import TrainConfig

CONFIDENCE = 0.95
LOWEST_MARGIN, HIGHEST_MARGIN = 0.03, 0.3
NEARLY_ALL = 0.8


@dataclass(frozen=True)
class Work:
    """All ways on one pool with one seed, to each of the targets."""

    source: Source
    seed: int
    error: float
    targets: tuple[float, ...]
    batch: int | None
    config: TrainConfig
    log: bool = False
    near_copies: int = 0
    control_share: float = 0.0
    each_class: bool = False
    """The target is for each class by itself, where an item may have several."""

    def error_of(self, pool: Pool, labels: NDArray[np.int64]) -> float:
        """Return the share of these labels that are wrong, or, if `each_class`, wrong about the worst class."""
        wrong = pool.kind.wrong_about(labels, pool.truth)
        return float(wrong.mean(axis=0).max() if self.each_class else wrong.any(axis=1).mean())


@dataclass
class Result:
    """A finished pool. seconds: of people. error: the share of wrong labels (`Work.error_of`). facts: more, by way."""

    seconds: float
    error: float
    facts: dict[str, Any] = field(default_factory=dict)


def run(work: Work) -> dict[str, dict[float, Result]]:
    """Return the result of each way and target. Uses one thread."""
    import torch

    torch.set_num_threads(1)
    pool = Pool.of(work.source, work.seed)
    if work.each_class and pool.kind.question != "multi":
        raise ValueError(f"--each-class: the items of {work.source.name} have one class each")
    results: dict[str, dict[float, Result]] = {
        "one-by-one": dict.fromkeys(work.targets, _one_by_one(work, pool)),
        "one-by-one-overlap": dict.fromkeys(work.targets, _with_overlap(work, pool)),
        **{name: {} for name in ("finish", "threshold", "grids")[: 3 if pool.kind.shows_predictions else 2]},
    }
    for target in work.targets:
        finish = _Finish(work, pool, target)
        results["finish"][target] = finish.run()
        results |= {name: results[name] | {target: result} for name, result in finish.others.items()}
    return results


def crowd_of(work: Work, pool: Pool) -> Crowd:
    return Crowd(pool.truth, pool.kind, work.seed, work.error)


def _one_by_one(work: Work, pool: Pool) -> Result:
    crowd = crowd_of(work, pool)
    labels = crowd.alone(np.arange(len(pool)))
    return Result(crowd.seconds, work.error_of(pool, labels))


def _with_overlap(work: Work, pool: Pool) -> Result:
    """Two answers an item, and further ones until two agree."""
    crowd = crowd_of(work, pool)
    labels = two_agree(crowd, pool.kind, np.arange(len(pool)), crowd.alone(np.arange(len(pool))))
    return Result(crowd.seconds, work.error_of(pool, labels))


def two_agree(crowd: Crowd, kind: AnswerKind, rows: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first label of each item that two people give, or, of several classes, two people's word about each.

    first : the answers so far.
    """
    answers = [first]
    labels = kind.agreed(answers)
    while (left := np.flatnonzero(labels < 0)).size:
        new = np.full(len(rows), -1)
        new[left] = crowd.alone(rows[left])
        answers.append(new)
        labels = kind.agreed(answers)
    return labels


class _Finish:
    """The product's way: batches until an audit pays, audits, certificates, people for the rest."""

    def __init__(self, work: Work, pool: Pool, target: float) -> None:
        self.work, self.pool, self.target = work, pool, target
        self.batch = work.batch or max(40, round(len(pool) / 50))
        self.project = Project(
            pool,
            crowd_of(work, pool),
            work.seed,
            work.config,
            near_copies=work.near_copies,
            control_share=work.control_share,
        )
        self.attempt, self.most_wrong = 1, 0
        self.outlooks: list[Outlook] = []
        self.others: dict[str, Result] = {}
        self.certified = 0
        self.decisions = pool.kind.decisions if work.each_class else 1
        self.facts = {"audits": 0, "audit_answers": 0, "false_proofs": 0}

    def run(self) -> Result:
        project = self.project
        project.first_batch(self.batch)
        while len(project.open):
            project.train()
            plan = self._plan(project.open)
            option = cheapest(plan, project.price)
            self._look(plan, option)
            if option and (begins(self.outlooks) or len(project.open) <= self.batch):
                self._others()
                project.release(max(option.answers + len(project.open) - option.labels, self.batch))
                option = cheapest(self._plan(project.pickable), project.price)
            else:
                option = None
            if option:
                self._audit(option.plan)
            elif len(project.open) <= self.batch:
                with project.crowd.doing("rest"):
                    project.ask(project.open)
            else:
                project.next_batch(min(self._next_size(), len(project.open)))
        if not self.others:
            self._others()
        return self._result(project)

    def _next_size(self) -> int:
        """Return the size of the next batch: a tenth of all labels at least, so that a pool takes few trainings."""
        return max(self.batch, round(len(self.pool) - len(self.project.open)) // 10)

    def _plan(self, rows: NDArray[np.int64]) -> Plan:
        """Return the audit of these open items, as `labeling.finishing.planning` plans it."""
        project = self.project
        predicted = project.predictions
        assert predicted is not None
        _, sizes, expected = stratify(predicted.confidence[rows].astype(float))
        expected = self._worst_share * expected
        people_error, labeled = project.people_error / self.decisions, project.labels >= 0
        doubt = project.doubt[labeled].sum() / self.decisions
        wrong = self.target * len(self.pool) - doubt - self.most_wrong
        target = Target(people_error, wrong - people_error * len(project.open))
        return Plan(sizes, expected, target, of_attempt(1 - CONFIDENCE, self.attempt), self._missed)

    @property
    def _worst_share(self) -> float:
        """Return the share of wrong labels that are wrong about the worst class, if the target is for each class."""
        return self.project.worst_share if self.work.each_class else 1.0

    @property
    def _missed(self) -> float:
        """Return the chance that people take a wrong label for a right one, as `labeling.finishing.people` has it."""
        kind = self.pool.kind
        coincidence = 1 / kind.others if kind.decisions == 1 else self.decisions / kind.decisions
        return chance_missed(self.work.error / self.decisions, coincidence)

    def _look(self, plan: Plan, option: Option | None) -> None:
        project = self.project
        spent = project.crowd.seconds / project.crowd.task
        n_left, size = len(project.open), self._next_size()
        self.outlooks.append(outlook([plan], n_left=n_left, spent=spent, batch_size=size, price=project.price))
        # Until nearly all of the rest can be certified, people's labels are not yet weighed against the model's.
        if option and option.labels > NEARLY_ALL * n_left:
            project.margin = float(np.clip(option.plan.expected[-1], LOWEST_MARGIN, HIGHEST_MARGIN))
        if self.work.log:
            look, predicted = self.outlooks[-1], project.predictions
            rows, n = project.open, len(self.pool)
            assert predicted is not None
            print(
                f"{n - n_left:6d} labeled, {100 * spent / n:5.1f} % spent, price {look.batch / min(size, n_left):.2f}, "
                f"margin {project.margin:.2f}, open wrong {(predicted.best != self.pool.truth)[rows].mean():.4f} "
                f"expected {1 - predicted.confidence[rows].mean():.4f} "
                f"(model {1 - predicted.uncorrected[rows].mean():.4f}), "
                f"people wrong {(project.labels != self.pool.truth)[project.labels >= 0].mean():.4f} expected "
                f"{project.people_error:.4f}, audit {look.audit:.0f}, rest {look.rest:.0f}, total "
                f"{100 * (spent + look.left) / n:.1f} %, later {look.later - look.left:+.0f}",
                file=sys.stderr,
                flush=True,
            )

    def _audit(self, plan: Plan) -> None:
        """Ask about draws until the audit ends, and certify the proven set."""
        project, predicted = self.project, self.project.predictions
        assert predicted is not None
        rows, price = project.pickable, project.price
        ranked = rows[np.argsort(-predicted.confidence[rows].astype(float), kind="stable")][: int(plan.ends[-1])]
        order = plan.order(np.random.default_rng(seed_for(project.seed, "audit", self.attempt)))
        wrong = np.empty((0, self.pool.kind.n_classes) if self.work.each_class else 0, bool)
        while (advice := advise(plan, order[: len(wrong)], wrong, price=price)).left and len(wrong) < len(order):
            asked = ranked[order[len(wrong) : len(wrong) + draws(advice.left, self._next_size())]]
            wrong = np.concatenate([wrong, self._draw(asked)])
        proof = advice.proof
        self.facts["audits"] += 1
        self.facts["audit_answers"] += len(wrong)
        if self.work.log:
            print(f"audit: {len(wrong)} answers, {wrong.sum()} wrong, {proof}", file=sys.stderr, flush=True)
        if proof:
            labels = np.setdiff1d(ranked[: int(plan.ends[proof.last])], ranked[order[: len(wrong)]])
            project.certified[labels] = predicted.best[labels]
            self.most_wrong += proof.most_wrong
            self.certified += len(labels)
            n_wrong = len(labels) * self.work.error_of(self.pool.only(labels), predicted.best[labels])
            self.facts["false_proofs"] += int(round(n_wrong) > proof.most_wrong)
        self.attempt += 1
        self.outlooks = []

    def _draw(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Ask about draws blind; return whether people found the model's label wrong, (n,), or about which class,
        (n, classes).
        """
        project, predicted, kind = self.project, self.project.predictions, self.pool.kind
        assert predicted is not None
        with project.crowd.doing("audits"):
            labels = project.crowd.alone(rows)
            doubtful = labels != predicted.best[rows]
            labels[doubtful] = two_agree(project.crowd, kind, rows[doubtful], labels[doubtful])
        project.labels[rows] = labels
        project.doubt[rows] = (1 - predicted.confidence[rows]) * chance_missed(self.work.error, 1 / kind.others)
        project.audited.append(project.compared(rows))
        wrong = kind.wrong_about(labels, predicted.best[rows])
        return wrong if self.work.each_class else np.asarray(wrong.any(axis=1))

    def _others(self) -> None:
        """Record the results of other ways to the end, from the moment at which the first audit begins."""
        if not self.others:
            self.others = {"threshold": self._threshold()}
            if self.pool.kind.shows_predictions:
                self.others["grids"] = self._grids()

    def _threshold(self) -> Result:
        """Take the labels from the model above the confidence at which the target is expected to be met."""
        project, predicted = self.project.copy(), self.project.predictions
        assert predicted is not None
        rows = project.open
        rows = rows[np.argsort(-predicted.confidence[rows].astype(float), kind="stable")]
        doubt = self._worst_share * np.cumsum(1 - predicted.confidence[rows].astype(float))
        by_people = project.doubt[project.labels >= 0].sum() + project.people_error * (
            len(rows) - np.arange(1, len(rows) + 1)
        )
        by_people /= self.decisions
        taken = int(np.flatnonzero(doubt + by_people <= self.target * len(self.pool)).max(initial=-1)) + 1
        project.certified[rows[:taken]] = predicted.best[rows[:taken]]
        project.ask_alone(rows[taken:])
        return self._result(project)

    def _grids(self) -> Result:
        project = self.project.copy()
        project.ask_in_grids(project.open)
        return self._result(project)

    def _result(self, project: Project, **facts: Any) -> Result:
        if project is self.project:
            certified = round(100 * self.certified / len(self.pool), 2)
            by_hand = len(self.pool) * project.crowd.task
            spent = {purpose: round(100 * each / by_hand, 1) for purpose, each in project.crowd.seconds_by.items()}
            facts = {**self.facts, "certified_percent": certified, "batches": project.batches, "percent_by": spent}
        final = np.where(project.labels >= 0, project.labels, project.certified)
        return Result(project.crowd.seconds, self.work.error_of(self.pool, final), facts)
