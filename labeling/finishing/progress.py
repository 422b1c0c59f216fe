"""How far a pool is from finished: labels, their error, and people's time to the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import Coalesce

from labeling.finishing.people import PeopleErrors, errors_of
from labeling.finishing.planning import copied_labels, price_of, spent_answers
from labeling.insight.pace import Pace
from labeling.labels.counting import certified_labels, counted
from labeling.models import Finish, Project, Task
from labeling.queue import rechecking


@dataclass(frozen=True, slots=True)
class PoolProgress:
    """How far the pool is from finished. Among the labels, certified ones are wrong at most as often as their
    certificates say, the others in `people_wrong`: the expected share without `by_gold`, if the mistakes of several
    people about an item are independent.
    """

    pool: Annotated[int, "Items that a label is wanted for, without those that came with a known answer (gold)."]
    labeled: Annotated[int, "Those with a label by people, near-copies included."]
    certified: Annotated[int, "Those with a certified label alone."]
    wrong: Annotated[
        float | None,
        "The largest share of wrong labels, if people’s are wrong in `people_wrong`; null without a certificate.",
    ]
    seconds: float
    """Annotators' time until each item has a label; 0 if a manager or a further person has to settle the rest."""
    people: Annotated[int, "People who answered in the last seven days.", (1, None)]
    one_more: int = 0
    """Items that only a further person can settle; 0 if no goal runs."""
    later: Annotated[int, "Items added after the newest audit with a certificate."] = 0
    by_class: Annotated[bool, "Whether `wrong` is the share about any one class of an item."] = False
    people_wrong: Annotated[
        float | None,
        "The share of people’s labels that counts as wrong: by gold items the largest, else the expected one.",
    ] = None
    by_gold: Annotated[bool, "Whether answers to gold items bound `people_wrong`."] = False

    @property
    def hours(self) -> float:
        return self.seconds / 3600

    @property
    def left(self) -> int:
        return max(self.pool - self.labeled - self.certified, 0)


def pool_progress(
    project: Project, items: Mapping[str, int], pace: Pace, errors: PeopleErrors | None = None
) -> PoolProgress:
    """Return the progress. `items`: of `status.items_of`. `errors`: read if needed. At most nineteen queries."""
    pool = items["encoded"] - items["excluded"] - project.items.gold_unpicked().count()
    copied, wrong_copies = (counts[None] for counts in copied_labels(project))
    labeled = min(items["labeled"] + copied, pool)
    certified = certified_labels(project)
    wrong, people_wrong, later, by_class, by_gold = None, None, 0, False, False
    if certified:
        each = Count("pk", filter=Q(audit__each_class=True))
        standing = project.certificates.standing().aggregate(
            wrong=Sum("most_wrong"), rows=Max("audit__pool_rows"), by_class=each
        )
        by_class = standing["by_class"] > 0
        later = max(project.encoded_rows - standing["rows"], 0)
        stated = (errors or errors_of(project)).stated_for(by_class)
        by_gold = stated.label_at_most is not None
        people_wrong = stated.label if stated.label_at_most is None else stated.label_at_most
        wrong_labels = min(standing["wrong"], certified) + people_wrong * (labeled - copied) + wrong_copies
        wrong = wrong_labels / (labeled + certified)
    goal = Finish.objects.filter(project=project, running=True).first()
    one_more = need_one_more(project) if goal else 0
    is_over = project.nothing_left_at is not None and not project.batches.filter(remaining__gt=0).exists()
    left = 0 if is_over else max(pool - labeled - certified - one_more, 0)
    return PoolProgress(
        pool=pool,
        labeled=labeled,
        certified=certified,
        wrong=wrong,
        seconds=_answers_left(project, goal, left) * pace.estimate,
        people=max(pace.active, 1),
        one_more=one_more,
        later=later,
        by_class=by_class,
        people_wrong=people_wrong,
        by_gold=by_gold,
    )


def _answers_left(project: Project, goal: Finish | None, left: int) -> float:
    """Return people's answers until the `left` items have a label: by the newest forecast of the goal that runs, less
    the answers since; without one, if the model labels nothing.
    """
    by_hand = left * price_of(project)
    if goal is None or not goal.forecasts:
        return by_hand
    newest = goal.forecasts[-1]
    since = spent_answers(project) - newest["spent"]
    return min(max(newest["audit"] + newest["rest"] - since, 0), by_hand)


def need_one_more(project: Project) -> int:
    """Return the number of items that only a further person can settle: all people who may be asked have answered them,
    and these answers give no label, do not settle a draw of an audit, or are fewer than the batch asks for.

    Takes one query, over the few items that are undecided or asked again, and over the tasks of open batches that ask
    for more answers than there are people.
    """
    people = rechecking.who_may_be_asked(project).filter(paused_at=None)
    tasks = Task.objects.filter(is_gold=False).order_by()
    again = tasks.further().unanswered().filter(batch__in=project.batches.active())
    short = tasks.lacking_first().filter(batch__in=project.batches.open().filter(overlap__gt=counted(people)))
    keys = [project.items.asked_again().order_by().values("pk"), again.values("repeats")]
    keys.append(short.values(key=Coalesce("item", "repeats")))
    waiting = project.items.kept().filter(pk__in=project.items.undecided().values("pk").union(*keys))
    return waiting.answered_by_all(people).count()
