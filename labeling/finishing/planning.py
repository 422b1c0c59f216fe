"""Plan the audits of the rest of the pool: candidates, targets and orders, and the rows that fix them."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Count, F, Max, Sum

from labeling.finishing import candidates as stored_candidates
from labeling.finishing.candidates import CHUNK, Candidates, read_candidates
from labeling.finishing.certifying.forecast import cheapest
from labeling.finishing.certifying.plan import Plan, Target, of_attempt, stratify
from labeling.finishing.certifying.schedule import Outlook, outlook
from labeling.finishing.experience import batch_experience, control_experience, corrected
from labeling.finishing.goal import Goal
from labeling.finishing.people import PeopleErrors, errors_of
from labeling.labels.counting import certified_labels
from labeling.loop.step import Step
from labeling.models import Audit, CertifiedLabel, Copy, Finish, ModelVersion, Project, WorkLog
from labeling.models.certificates import CertifiedLabelQuerySet
from labeling.models.items import ItemQuerySet
from labeling.queue.rechecking import expected_answers
from labeling.storage.arrays.files import ProjectFiles

LEAST_OF_CLASS = 30
"""No audit of fewer candidates takes fewer answers than asking about all of them."""


Counts = tuple[Counter[Any], Counter[Any]]
"""The numbers of labels, and of the wrong ones that are expected among them, by class, or in all by None."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the pool with a bound of its own: the whole pool, or the items that people or the model give one class.

    items : all items of it.
    labeled, wrong : those labeled by people, near-copies included, and how many of these labels are expected wrong.
    certified, most_wrong : those with a certified label alone, and how many of these may be wrong.
    """

    items: int
    labeled: int
    wrong: float
    certified: int
    most_wrong: int

    def target(self, error: float, people_error: float) -> Target:
        """Return how many of n further certified labels may be wrong, if a share `error` of the part's labels may be,
        and people, who label the rest, are wrong in a share `people_error`.
        """
        rest = self.items - self.labeled - self.certified
        return Target(people_error, error * self.items - self.wrong - self.most_wrong - people_error * rest)


@dataclass(frozen=True, slots=True)
class Planned:
    """An audit to be: its candidates by rank, and its plan. `of_class`: as in `Audit`."""

    of_class: int | None
    candidates: Candidates
    plan: Plan


@dataclass(frozen=True, slots=True)
class Situation:
    """The pool as it is, for the next audits.

    plans : of all candidates, or of the candidates of each predicted class.
    price : people's answers for an item that they are asked about, in an audit or not.
    pool, rest : the pool's items, and those of them without any label.
    spent : people's answers so far.
    """

    plans: list[Planned]
    attempt: int
    errors: PeopleErrors
    price: float
    pool: int
    rest: int
    spent: int

    def outlook(self, batch_size: int) -> Outlook:
        """Return the answers that finishing takes if audits begin now, and if they begin after another batch."""
        plans = [each.plan for each in self.plans]
        found = outlook(plans, n_left=self.rest, spent=self.spent / self.price, batch_size=batch_size)
        return found.in_answers(self.price)


def read_situation(project: Project, finish: Finish, version: ModelVersion, *, reserved: bool = False) -> Situation:
    """Return what audits of the rest of the pool with this version may prove. Takes seconds for a million items.

    reserved : with the items reserved for control among the candidates, as if they were released.
    """
    people = errors_of(project)
    errors = people.stated_for(finish.by_class)
    by_parts = finish.by_class and not project.asks.per_class
    attempt = (project.audits.aggregate(n=Max("attempt"))["n"] or 0) + 1
    every = read_candidates(project, version, reserved=reserved)
    pool = project.items.kept().filter(row__isnull=False)
    labeled = _labeled(project, pool, errors, by_class=by_parts)
    n_pool = pool.count()
    if by_parts:
        certified = _certified_by_class(project)
        parts = _parts(_predicted(project, pool, version), labeled, certified)
    else:
        most_wrong = most_wrong_of(project, by_class=finish.by_class)
        certified = Counter({None: certified_labels(project)}), Counter({None: most_wrong})
        parts = {None: Part(n_pool, *(counts[None] for counts in (*labeled, *certified)))}
    drawn = control_experience(project, version, within=finish.within)
    picked = batch_experience(project, within=finish.within)
    plans = []
    for of_class, part in parts.items():
        found = every if of_class is None else every.only(every.values == of_class)
        if not len(found) or (of_class is not None and len(found) < LEAST_OF_CLASS):
            continue
        _, sizes, expected = stratify(
            corrected(
                found.probabilities,
                drawn,
                picked,
                label_error=people.label,  # of whole labels, which earlier predictions are compared with
                each_class=finish.by_class and not by_parts,
            )
        )
        target = part.target(finish.error, errors.label)
        risk = of_attempt(1 - finish.confidence, attempt)
        plans.append(Planned(of_class, found, Plan(sizes, expected, target, risk, errors.missed)))
    return Situation(
        plans=plans,
        attempt=attempt,
        errors=errors,
        price=price_of(project),
        pool=n_pool,
        rest=n_pool - labeled[0].total() - certified[0].total(),
        spent=spent_answers(project),
    )


def spent_answers(project: Project) -> int:
    """Return the number of people's answers so far, skips included."""
    logs = WorkLog.objects.by_people(project)
    return int(logs.aggregate(n=Sum(F("answers") + F("skips"), default=0))["n"])


def price_of(project: Project) -> float:
    """Return people's answers for an item that they are asked about, of an audit or not:
    docs/decisions/10-overlap-and-resolving.md.
    """
    return (expected_answers(project, 1000) or 1000 * project.overlap) / 1000


def cheapest_of(situation: Situation) -> list[Planned]:
    """Return the audits that cost fewer answers than people's labels, with the candidates of their cheapest options."""
    chosen = []
    for each in situation.plans:
        option = cheapest(each.plan)
        if option is not None:
            first = each.candidates.only(slice(option.labels))
            chosen.append(replace(each, candidates=first, plan=option.plan))
    return chosen


def create(step: Step, finish: Finish, version: ModelVersion, situation: Situation, chosen: list[Planned]) -> None:
    """Write these audits and their files. They ask from the last transaction on, unless the goal has changed."""
    project = finish.project
    same = {
        "project": project,
        "error": finish.error,
        "confidence": finish.confidence,
        "within": finish.within,
        "each_class": finish.by_class and project.asks.per_class,
        "attempt": situation.attempt,
        "version": version,
        "class_revision": project.class_revision,
        "pool_size": situation.pool,
        "pool_rows": project.encoded_rows,
        "people_error": situation.errors.label,
        "state": Audit.State.PLANNING,
    }
    made = []
    for each in chosen:
        audit = Audit(
            **same,
            of_class=each.of_class,
            target_share=each.plan.target.share,
            target_constant=each.plan.target.constant,
            risk=each.plan.risk,
            missed=each.plan.missed,
            bets=each.plan.bets,
            sizes=each.plan.sizes.tolist(),
            expected=each.plan.expected.tolist(),
            candidates=len(each.candidates),
            seed=int.from_bytes(project.keyed("audit", f"{situation.attempt}/{each.of_class}")[:7], "big"),
        )
        with step.write():
            audit.save()
        order = each.plan.order(np.random.default_rng(audit.seed))
        stored_candidates.save(audit, replace(each.candidates, order=order))
        made.append(audit.pk)
    with step.write():
        now = Finish.objects.select_for_update(no_key=True).get(pk=finish.pk)
        if now.running and Goal.of(now) == Goal.of(finish):
            Audit.objects.filter(pk__in=made).update(state=Audit.State.ASKING)


def _parts(predicted: Counter[int], labeled: Counts, certified: Counts) -> dict[int | None, Part]:
    """Return the part of each class that the version predicts for an item without a label."""
    sums = (*labeled, *certified)
    return {
        index: Part(n + labeled[0][index] + certified[0][index], *(counts[index] for counts in sums))
        for index, n in sorted(predicted.items())
    }


def _predicted(project: Project, pool: ItemQuerySet, version: ModelVersion) -> Counter[int]:
    """Return the number of items without any label by the version's prediction."""
    files = ProjectFiles(project)
    best = files.read(version, "best", rows=files.rows_picked_from(version) or None)
    rest = pool.filter(label__isnull=True, row__lt=len(best)).exclude(pk__in=_standing(project).values("item"))
    rows = np.fromiter(rest.order_by().values_list("row", flat=True).iterator(chunk_size=CHUNK), np.int64)
    return Counter(dict(zip(*(each.tolist() for each in np.unique(best[rows], return_counts=True)), strict=True)))


def _standing(project: Project) -> CertifiedLabelQuerySet:
    return CertifiedLabel.objects.standing().filter(certificate__project=project)


def _labeled(project: Project, pool: ItemQuerySet, errors: PeopleErrors, *, by_class: bool) -> Counts:
    """Return the counts of people's labels, those of near-copies included, by class or in all. A label without a
    probability has one answer, and counts as wrong as often as single answers are.
    """
    number, unsure = copied_labels(project, by_class=by_class)
    rows = (
        pool.labeled()
        .order_by()
        .values("label" if by_class else "project")
        .annotate(n=Count("pk"), known=Count("label_probability"), right=Sum("label_probability", default=0.0))
    )
    for row in rows:
        index = project.asks.counted(row["label"])[0] if by_class else None
        number[index] += row["n"]
        by_answers = row["known"] - row["right"] + (row["n"] - row["known"]) * errors.answer
        unsure[index] += row["n"] * errors.label if errors.shared else by_answers
    return number, unsure


def most_wrong_of(project: Project, *, by_class: bool) -> int:
    """Return how many certified labels may be wrong as a whole; if `by_class`, about any one of their classes."""
    classes = 1 if by_class or not project.asks.per_class else project.classes.offered().count()
    return project.certificates.standing().most_wrong(classes=classes)


def _certified_by_class(project: Project) -> Counts:
    """Return the number of certified labels, and how many of them may be wrong, by class."""
    number, most_wrong = Counter[Any](), Counter[Any]()
    rows = _standing(project).order_by().values("certificate", "certificate__most_wrong", "value")
    for row in rows.annotate(n=Count("pk")):
        index = project.asks.counted(project.follow(row["value"]))[0]
        number[index] += row["n"]
        most_wrong[index] += min(row["certificate__most_wrong"], row["n"])
    return number, most_wrong


def copied_labels(project: Project, *, by_class: bool = False) -> Counts:
    """Return the counts of near-copies with a label, wrong as often as answers to checks within the radius differ. At
    most two queries; none if the project cannot show near-copies.
    """
    number, wrong = Counter[Any](), Counter[Any]()
    if not project.can_show_copies:
        return number, wrong
    propagated = Copy.objects.propagated().filter(batch__project=project).order_by()
    for row in propagated.values("of__label" if by_class else "batch__project").annotate(n=Count("pk")):
        number[project.asks.counted(project.follow(row["of__label"]))[0] if by_class else None] += row["n"]
    if number:
        checks = Copy.objects.checked().trusted().filter(batch__project=project).values_list("of__label", "item__label")
        differ = [project.follow(source) != project.follow(own) for source, own in checks]
        share = (sum(differ) + 0.5) / (len(differ) + 1)
        wrong.update({key: share * n for key, n in number.items()})
    return number, wrong
