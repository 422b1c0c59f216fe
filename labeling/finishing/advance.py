"""Advance a project towards its goal: read what people answered, prove, certify, and plan the next audit."""

import logging
import math
from dataclasses import asdict, fields

from django.utils import timezone

from labeling.finishing import certificates, planning
from labeling.finishing.audits import outcomes, plan_of
from labeling.finishing.candidates import predicting
from labeling.finishing.certifying import schedule
from labeling.finishing.certifying.schedule import Outlook, begins
from labeling.finishing.goal import Goal, batch_size_of
from labeling.loop.step import Step
from labeling.models import Audit, Finish, Job, ModelVersion, Project
from labeling.projects.version_in_use import in_use
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import among
from labeling.storage.disk.files import FileDamaged

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5

PART = 1500
"""Items per transaction: other writers wait for its end."""


def advance(step: Step, project: Project) -> None:
    """Do what the project's goal needs now. A second call without new answers changes nothing.

    One step at a time advances a project. If another one does, a later step does the rest.
    """
    if not Finish.objects.filter(project=project).exists():
        return
    finish = _claim(step, project)
    if finish is None:
        return
    certificates.sweep(step, project)
    if finish.running:
        for audit in project.audits.asking().select_related("project", "version").order_by("pk"):
            _look_at(step, audit)
        version = predicting(project, in_use(project))
        is_new = version and version.number not in [each["version"] for each in finish.forecasts]
        if version is not None and is_new and not project.audits.asking().exists():
            _plan(step, finish, version)
    with step.write():
        Finish.objects.filter(pk=finish.pk, job=step.job).update(job=None)


def _claim(step: Step, project: Project) -> Finish | None:
    """Return the project's goal, with this step as the one that advances it; None if another step does."""
    with step.write():
        finish = Finish.objects.select_for_update(no_key=True).get(project=project)
        if finish.job_id not in (None, step.job.pk) and Job.objects.running().filter(pk=finish.job_id).exists():
            Job.objects.enqueue(Job.Kind.FINISH, project=project, delay_seconds=BUSY_SECONDS)
            return None
        Finish.objects.filter(pk=finish.pk).update(job=step.job)
    finish.project = project
    return finish


def _look_at(step: Step, audit: Audit) -> None:
    """End the audit, with a certificate of the largest proven set, if it has proven all it can or costs too much."""
    if certificates.classes_changed(audit):
        return _end(step, audit, "Classes have changed.")
    try:
        found = outcomes(audit)
    except FileDamaged as damage:
        logger.warning("%s", damage)
        return _end(step, audit, "Its file is damaged.")
    advice = schedule.advise(plan_of(audit), found.ranks, found.wrong)
    if advice.left:
        return _ask_again(step, audit, found.undecided)
    if advice.proof is None:
        asked = f"{len(found.ranks):,} answers, {int(found.against.sum()):,} of them against the model"
        return _end(step, audit, f"No set of labels could be proven at a reasonable cost ({asked}).")
    if certificates.issue(step, audit, advice.proof, found) is None:
        return _end(step, audit, "No label was left to certify.")
    return None


def _ask_again(step: Step, audit: Audit, items: list[int]) -> None:
    """Let these items, whose answers do not settle their draw, wait for the further tasks of the next batch."""
    if items:
        with step.write():
            audit.project.items.filter(pk__in=among(items), again_at=None).update(again_at=timezone.now())


def _end(step: Step, audit: Audit, reason: str) -> None:
    with step.write():
        Audit.objects.asking().filter(pk=audit.pk).update(
            state=Audit.State.ENDED, reason=reason, ended_at=timezone.now()
        )


def _plan(step: Step, finish: Finish, version: ModelVersion) -> None:
    """Store the forecast with a new version, and plan the next audits if it is time."""
    project = finish.project
    step.progress("planning an audit")(0)
    situation = planning.read_situation(project, finish, version, reserved=True)
    batch_size = batch_size_of(project)
    outlook = situation.outlook(batch_size)
    forecast = {
        "version": version.number,
        "attempt": situation.attempt,
        "at": timezone.now().isoformat(),
        "people_error": situation.errors.label,
        **asdict(outlook),
    }
    with step.write():
        # The update changes nothing if the goal was changed meanwhile.
        same = Finish.objects.filter(pk=finish.pk, **asdict(Goal.of(finish)))
        same.update(forecasts=[*finish.forecasts, forecast])
    since = [each for each in (*finish.forecasts, forecast) if each["attempt"] == situation.attempt]
    names = [field.name for field in fields(Outlook)]
    if begins([Outlook(**{name: each[name] for name in names}) for each in since]):
        release(step, project, keep=kept(project, outlook.left / situation.price, batch_size))
        situation = planning.read_situation(project, finish, version)
        planning.create(step, finish, version, situation, planning.cheapest_of(situation))


def kept(project: Project, tasks: float, batch_size: int) -> int:
    """Return how many control items are asked by batches of this number of tasks, by one batch at least."""
    return math.ceil(project.control_share * max(tasks, batch_size))


def release(step: Step, project: Project, *, keep: int) -> None:
    """Release the reserved items that no batch has taken, except the `keep` that batches ask next.

    The released ones stand at the end of the random permutation, and the last one is released first: so the control
    slice stays a uniform draw, even if the step is killed. They are items like all others from now on: batches pick
    them, models learn from them, audits have them among their candidates. A release may be repeated.
    """
    reserved = project.items.unpicked().filter(reserved=True).order_by("control_key")
    keys = list(reserved.values_list("pk", flat=True)[keep:])[::-1]
    for part in in_parts(keys, PART):
        with step.write():
            # A batch that has taken an item meanwhile keeps it as a control item.
            project.items.unpicked().filter(pk__in=among(part)).update(reserved=False)
