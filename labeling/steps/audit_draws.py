"""The draws of audits that a batch asks people about, among its other tasks.

A draw is asked without the model's answer. In a project that shows answers, chance decides by a task's rank whether its
annotators see one (`batch_tasks.prompted`). On these ranks a decoy takes the place of a draw: a candidate from the end
of the order. So tasks with and without a shown answer are equally often of an audit.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labeling.finishing import audits
from labeling.finishing.audits import Draw
from labeling.finishing.candidates import load
from labeling.finishing.certifying import schedule
from labeling.models import Batch, Finish, Project
from labeling.queue.prompting import suggests
from labeling.steps.batch_tasks import Picked, prompted
from labeling.steps.further import Further
from labeling.storage.arrays.batch_plan import Pool


def due(project: Project, batch_size: int) -> list[Draw]:
    """Return the draws that the next batch asks, the earliest first; empty without a running goal."""
    if not Finish.objects.filter(project=project, running=True).exists():
        return []
    left = 0.0
    for audit in project.audits.asking():
        plan, found = audits.plan_of(audit), audits.outcomes(audit)
        left += max(schedule.advise(plan, found.ranks, found.wrong).left - found.awaited, 0)
    return audits.next_draws(project, schedule.draws(left, batch_size)) if left else []


def size_of(project: Project, draws: Sequence[Draw], pool: Pool, batch_size: int) -> int:
    """Return the size of a batch that asks these draws: less than `batch_size` if other tasks had to be candidates.

    A candidate that is picked for training takes the place of a label that the audit could prove. But half of such a
    batch are no draws, so that its tasks are not all of an audit.
    """
    if not draws:
        return batch_size
    candidates = np.concatenate([load(audit).rows for audit in project.audits.asking()])
    others = int(np.count_nonzero(~np.isin(pool.rows, candidates)))
    return min(batch_size, len(draws) + max(others, len(draws)))


def seat(batch: Batch, picked: Picked, further: Further, draws: Sequence[Draw]) -> Picked:
    """Place the audit's draws on the batch's ranks, and return the plan with them.

    The plan has put the draws on random ranks. Ranks whose page shows no predicted answer get the first draws of the
    audit, in its order. Ranks whose page shows one get decoys.
    """
    plan, project = picked.plan, batch.project
    of_row = {draw.row: draw for draw in draws}
    places = np.flatnonzero(np.isin(plan.rows, list(of_row)))
    if not len(places):
        return picked
    size = len(plan.rows) + len(further.ranks)
    shows = prompted(project, batch.number, size, suggesting=suggests(project))[
        further.ranks_of_others(len(plan.rows))[places]
    ]
    n_draws, n_decoys = int((~shows).sum()), int(shows.sum())
    taken = sorted((of_row[row] for row in plan.rows[places].tolist()), key=lambda draw: draw.place)
    decoys = audits.next_decoys(project, n_decoys, besides=set(plan.rows.tolist()))
    # Near the end of a small pool, draws themselves are the decoys.
    decoys += [replace(draw, is_decoy=True) for draw in taken[n_draws:][: n_decoys - len(decoys)]]
    seated = taken[:n_draws] + decoys
    rows = plan.rows.copy()
    rows[np.concatenate([places[~shows], places[shows]])] = [draw.row for draw in seated]
    clusters = plan.clusters if picked.clusters is None else picked.clusters[rows]
    plan = replace(plan, rows=rows, clusters=clusters)
    return replace(picked, plan=plan, draws={draw.row: draw for draw in seated})
