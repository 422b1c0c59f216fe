"""Free tasks of one class for a grid: the class that their items propose, or the answer that they show.

Only facts that the annotator sees decide which tasks a grid holds, so a grid does not identify control tasks:
docs/decisions/27-labeling-screen.md.
"""

from collections import defaultdict

from labeling.models import Project
from labeling.questions.base import GridBy
from labeling.queue.person import Person
from labeling.queue.prompting import shown_answer
from labeling.storage.db.statements import rows

# The number of free tasks that the search reads, by rank: enough for full grids of dozens of classes, and a few
# milliseconds for a batch of any size.
WINDOW = 2000


def tasks_of_one_class(project: Project, person: Person, number: int) -> list[int]:
    """Return the ids of up to `number` free tasks, by rank, of the class most frequent among the first `WINDOW` free
    tasks.

    Empty if no task has a class. The tasks are not locked: other annotators may take them. One query per span.
    """
    of_class: dict[int, list[int]] = defaultdict(list)
    left = WINDOW if number > 0 else 0
    for first, last in person.spans:
        tasks = _window(project, person, first, last, left)
        left -= len(tasks)
        for task, index in tasks:
            if index is not None:
                of_class[index].append(task)
    # Of equally frequent classes, `max` returns the class whose first task comes first.
    return max(of_class.values(), key=len, default=[])[:number]


def _window(project: Project, person: Person, first: int, last: int, number: int) -> list[tuple[int, int | None]]:
    """Return the first free tasks with ranks from `first` to `last`, each with its class."""
    if number < 1:
        return []
    proposed = project.asks.grid_by == GridBy.PROPOSED
    facts = "i.proposed" if proposed else "w.prompted, w.prompted_by, w.predicted, CAST(i.suggestion AS integer)"
    # An annotator does not get a task twice.
    own = (
        ""
        if person.batch.takes_one_answer
        else "AND NOT EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.task_id = t.id AND a.user_id = %s "
        "AND a.ended_at IS NULL)"
    )
    tasks = rows(
        f"""
        SELECT w.id, {facts} FROM (
            SELECT t.id, t.rank, COALESCE(t.item_id, t.repeats_id) AS item, t.prompted, t.prompted_by, t.predicted
            FROM labeling_task t WHERE t.batch_id = %s AND t.free > 0 AND t.rank BETWEEN %s AND %s {own}
            ORDER BY t.rank LIMIT %s
        ) w JOIN labeling_item i ON i.id = w.item ORDER BY w.rank
        """,
        [person.batch.pk, first, last, *([person.user.pk] if own else []), number],
    )
    if proposed:
        return [(task, index) for task, index in tasks]
    return [
        (task, shown_answer(project, prompted=prompted, prompted_by=by, predicted=predicted, suggestion=suggestion))
        for task, prompted, by, predicted, suggestion in tasks
    ]
