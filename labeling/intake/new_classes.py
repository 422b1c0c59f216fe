"""Make classes of the labels of a file, before its rows are imported."""

from django.core.exceptions import ValidationError
from django.db import transaction

from labeling.intake.looking import count_labels
from labeling.intake.readers import Source
from labeling.intake.rules import Rules
from labeling.models import LogKind, Project, User
from labeling.observing import auditlog
from labeling.projects.classes import changing as classes
from labeling.projects.classes.common import ClassError
from labeling.questions import Question


def can_add(question: Question) -> bool:
    """Return whether labels that are no classes can become classes of a project with this question."""
    return not (question.proposes or question.fixed_scale)


def add_from(source: Source, *, project: Project, user: User | None, rules: Rules) -> bool:
    """Add a class for each label in a file that has none, unless the label cannot be the name of a class, as a whole
    text cannot. Return whether there are any new ones. Reads the whole file. Raises `UnreadableFile`.
    """
    names = list(count_labels(source, rules, whole=True).unknown) if can_add(rules.question) else []
    with transaction.atomic():
        with auditlog.part_of_one():
            added = [name for name in names if _add(project, user, name)]
        if added:
            auditlog.record(LogKind.CLASS_CHANGED, project=project, who=user, after={"added": added})
    return bool(added)


def _add(project: Project, user: User | None, name: str) -> bool:
    try:
        with transaction.atomic():
            classes.add(project=project, user=user, name=name)
    except (ValidationError, ClassError):
        return False
    return True
