"""Start and stop the goal of a project: a label for all items, at most a share of them wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext

from labeling.finishing.people import PeopleErrors, errors_of
from labeling.models import Audit, AuditDraw, Finish, Job, LogKind, Membership, Project, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.version_in_use import InUse, in_use


@dataclass(frozen=True, slots=True)
class Goal:
    """The largest share of wrong labels, and what it is stated for."""

    error: float = 0.02
    confidence: float = 0.95
    by_class: bool = False
    within: int = 0

    @classmethod
    def of(cls, finish: Finish | None) -> Goal:
        """Return the goal that was started; the usual one without."""
        return cls(*(getattr(finish, field.name) for field in fields(cls))) if finish else cls()


STEP_SHARE = 0.01
STEP_OF_A_PERSON = 5
LEAST_STEP = 20
"""With a goal, a batch has this share of the pool, at least so many items for each member of the project, and at least
so many in all: an audit begins and ends between batches, so people label items of a large batch that an audit would
have saved."""
GOAL = tuple(field.name for field in fields(Goal))


class FinishRefused(StateConflict):
    """The goal cannot be started; the message says why, and what to do."""


class PeopleErr(FinishRefused):
    """People's labels alone are wrong too often. Settings for people are the remedy."""


def batch_size_of(project: Project) -> int:
    """Return the size of the project's next batch. One query, two with a running goal."""
    running = Finish.objects.filter(project=project, running=True).exists()
    return batch_size_with_goal(project) if running else project.batch_size


def batch_size_with_goal(project: Project) -> int:
    """Return the size of the project's batches while a goal runs, at most the project's setting. One query."""
    for_people = STEP_OF_A_PERSON * project.memberships.count()
    return min(project.batch_size, max(round(STEP_SHARE * project.encoded_rows), for_people, LEAST_STEP))


@transaction.atomic
def start(project: Project, user: User | None, goal: Goal) -> Finish:
    """Start the goal, or go on with a stopped one, and enqueue the step that plans the first audit.

    Audits that were planned for another goal end. Raises `FinishRefused`.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    check_goal(project, goal, errors_of(project))
    finish = Finish.objects.select_for_update(no_key=True).filter(project=project).first()
    before = {name: getattr(finish, name) for name in (*GOAL, "running")} if finish else None
    values: dict[str, Any] = asdict(goal)
    if finish is None or Goal.of(finish) != goal:
        _end_audits(project)
        values |= {"forecasts": [], "reached_at": None}
    if finish is None or not finish.running:
        values |= {"running": True, "reached_at": None, "started_by": user, "started_at": timezone.now()}
    finish, _ = Finish.objects.update_or_create(project=project, defaults=values)
    Job.objects.enqueue(Job.Kind.FINISH, project=project)
    after = {name: getattr(finish, name) for name in (*GOAL, "running")}
    if after != before:
        auditlog.record(LogKind.FINISH_CHANGED, project=project, before=before, after=after)
    return finish


def _end_audits(project: Project) -> None:
    """End the audits that ask. Those that have asked no person yet use up no attempt: the step removes them."""
    asked = AuditDraw.objects.filter(audit=OuterRef("pk"))
    project.audits.asking().filter(~Exists(asked)).update(state=Audit.State.PLANNING)
    project.audits.asking().update(state=Audit.State.ENDED, reason="The goal was changed.", ended_at=timezone.now())


@transaction.atomic
def stop(project: Project) -> None:
    """Stop the goal: batches ask no further draws. Certificates stand; a start with the same goal goes on."""
    if Finish.objects.filter(project=project, running=True).update(running=False):
        auditlog.record(LogKind.FINISH_CHANGED, project=project, before={"running": True}, after={"running": False})


def check_goal(project: Project, goal: Goal, errors: PeopleErrors) -> InUse:
    """Return the project's versions in use. Raises `FinishRefused` if the project cannot start this goal."""
    try:
        Finish(**asdict(goal)).clean_fields(exclude={field.name for field in Finish._meta.fields}.difference(GOAL))
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise FinishRefused(f"{name}: {messages[0]}") from error
    points = project.classes.offered().count()
    if goal.within and not (project.asks.ordered and goal.within < points):
        allowed = f"0 to {points - 1}" if project.asks.ordered else "0: answers are no points of a scale"
        raise FinishRefused(f"within: must be {allowed}.")
    used = in_use(project)
    if used is None:
        raise FinishRefused(gettext("The project has no model version yet. Label its first batch, then finish."))
    stated = errors.stated_for(goal.by_class)
    if stated.missed >= 1:
        raise FinishRefused(
            gettext(
                "Answers to gold items show that people may be wrong too often for an audit to find the model’s "
                "errors. Raise the gold share: more answers to gold items make the estimate more precise."
            )
        )
    if stated.label >= goal.error:
        wrong, most = (f"{round(100 * share, 1):g}\u00a0%" for share in (stated.label, goal.error))
        raise PeopleErr(_remedy(project, stated) % {"wrong": wrong, "most": most, "n": project.overlap + 2})
    return used


def _remedy(project: Project, errors: PeopleErrors) -> str:
    """Say that people err too often for the goal, with places for the figures, and what helps."""
    if errors.shared:
        return gettext(
            "About %(wrong)s of people’s labels are expected to be wrong, and the goal is %(most)s. Answers "
            "to gold items show that several people make the same mistakes, so asking more people does not "
            "help. On the page Agreement, see which classes they confuse; explain these in the guidelines "
            "and correct the labels. Or choose a larger error."
        )
    if project.overlap_max is None:
        return gettext(
            "About %(wrong)s of people’s labels are expected to be wrong, and the goal is %(most)s. Set "
            "“Maximum answers per item”, for example to %(n)s, so that more people answer "
            "doubtful items. Or choose a larger error."
        )
    if Membership.objects.annotators().filter(project=project).count() <= project.overlap:
        return gettext(
            "About %(wrong)s of people’s labels are expected to be wrong, and the goal is %(most)s. Invite "
            "more annotators, so that more people answer doubtful items. Or choose a larger error."
        )
    return gettext(
        "About %(wrong)s of people’s labels are expected to be wrong, and the goal is %(most)s. Raise "
        "“Maximum answers per item” or “Required probability”, so that "
        "more people answer doubtful items. Or choose a larger error."
    )
