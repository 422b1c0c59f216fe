"""The share of people's answers, and of the labels that follow from them, taken to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Avg, Count

from labeling.finishing.certifying.people import chance_missed, upper_error
from labeling.labels.resolving.outlook import Rule, outlook
from labeling.labels.resolving.posterior import ACCURACY, AnswerSpace
from labeling.models import Project, Task
from labeling.models.batches import IMPORTED
from labeling.queue import gold
from labeling.queue.rechecking import who_may_be_asked

USUAL_ERROR = 0.03
"""The share of wrong answers, if the project has measured none."""

PRIOR_WRONG = 1.5
"""The weight of the usual error against answers to gold items: as if people had been seen to be wrong so often."""

LEAST_GOLD = 20
"""Answers to gold items from which their own upper bound counts."""

NEWEST_LABELS, LEAST_LABELS, MOST_LABELS = 200, 100, 2000
"""The label error is measured on the newest done batches with the first number of tasks together, if as many labels as
the second have a probability; at most the third are read. Older labels were given beside worse models. The last labels
of a batch alone would mislead: they are those of doubtful items, which are asked again."""

HIGHEST = 0.49


@dataclass(frozen=True, slots=True)
class PeopleErrors:
    """Shares that are wrong.

    answer : of single answers, as an expectation.
    answer_at_most : the same as an upper bound, if gold items measure it.
    label : of labels by the present rule for the number of answers, as an expectation.
    coincidence : the probability that a person's wrong answer equals the model's wrong label.
    people : how many may be asked; None if that does not matter.
    decisions : the classes of an item among which errors spread, where each class is a decision of its own; else 1.
    """

    answer: float
    answer_at_most: float
    label: float
    coincidence: float
    people: int | None = None
    decisions: int = 1

    def stated_for(self, by_class: bool) -> PeopleErrors:
        """Return the errors about one class if a goal `by_class` needs them, and these errors in all other cases."""
        if not by_class or self.decisions == 1:
            return self
        n = self.decisions
        return PeopleErrors(self.answer / n, self.answer_at_most / n, self.label / n, self.coincidence * n, self.people)

    @property
    def missed(self) -> float:
        """The probability that an audit takes a wrong label for a right one."""
        return chance_missed(self.answer_at_most, self.coincidence, self.people)


def errors_of(project: Project) -> PeopleErrors:
    """Return the errors of the project's people, from gold items, agreement or experience. At most seven queries."""
    known = gold.answers_of(project)
    wrong = sum(not answer.is_right for answer in known)
    people = list(who_may_be_asked(project).values_list("accuracy", flat=True))
    accuracies = [accuracy for accuracy in people if accuracy is not None]
    classes = project.classes.offered().count()
    space = AnswerSpace(project.asks.possible(classes), project.asks.decisions(classes))
    usual = 1 - (1 - USUAL_ERROR) ** space.decisions
    if len(known) >= LEAST_GOLD:
        answer = (wrong + PRIOR_WRONG) / (len(known) + PRIOR_WRONG / usual)
        at_most = upper_error(wrong, len(known))
    else:
        answer = at_most = 1 - sum(accuracies) / len(accuracies) if accuracies else usual
    several = project.overlap > 1 or project.overlap_max is not None
    label = _measured(project) if several else answer
    if label is None:
        rule = Rule(project.overlap, project.overlap_max, project.label_confidence, project.check_share)
        believed = [ACCURACY if each is None else each for each in people] or [ACCURACY]
        label = min(answer, _wrong_by(rule, tuple(believed), space))
    return PeopleErrors(
        answer=min(answer, HIGHEST),
        answer_at_most=min(at_most, HIGHEST),
        label=label,
        coincidence=1 / (space.decisions if project.asks.per_class else max(space.values - 1, 1)),
        people=len(people),
        decisions=space.decisions,
    )


def _measured(project: Project) -> float | None:
    """Return the expected share of wrong ones among labels of the newest batches; None if few have a probability."""
    batches: list[int] = []
    tasks = 0
    # A batch's labels have probabilities once it is done. Imported labels tell nothing of the people here.
    done = project.batches.exclude(strategy=IMPORTED).filter(done_at__isnull=False).order_by("-number")
    for pk, size in done.values_list("pk", "size")[:NEWEST_LABELS]:
        if tasks >= NEWEST_LABELS:
            break
        batches.append(pk)
        tasks += size
    # The newest first, and by id, which tells nothing of an item: `labeling.steps.batch_tasks.write_tasks` draws them.
    sample = Task.objects.picked().filter(batch__in=batches).order_by("-pk")[:MOST_LABELS].values("item")
    labels = project.items.labeled().filter(pk__in=sample, label_probability__isnull=False)
    figures = labels.order_by().aggregate(n=Count("pk"), probability=Avg("label_probability"))
    return 1 - figures["probability"] if figures["n"] >= LEAST_LABELS else None


@lru_cache(maxsize=64)
def _wrong_by(rule: Rule, accuracies: tuple[float, ...], space: AnswerSpace) -> float:
    """Return the share of wrong labels by this rule. Each process caches it: a simulation takes a tenth of a second."""
    return outlook(rule, accuracies, space).wrong
