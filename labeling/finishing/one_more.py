"""Count the items that need one more person, although everybody who may be asked has answered them."""

from __future__ import annotations

from django.db.models.functions import Coalesce

from labeling.labels import rechecking
from labeling.labels.counting import counted
from labeling.models import Project, Task


def need_one_more(project: Project) -> int:
    """Return the number of items that only a further person can settle: everybody who may be asked now has answered
    them, and these answers give no label, do not settle a draw of an audit, or are fewer than the batch asks for.

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
