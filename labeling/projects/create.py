"""Create a project: check what its creator entered, and store it with its classes and its first manager."""

import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from labeling import kinds
from labeling.models import LabelClass, LogKind, Project, Role, User
from labeling.models.project_settings import MAX_CLASSES
from labeling.models.projects import MAX_SLUG
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.classes import guidelines
from labeling.projects.classes.proposals import check_setting
from labeling.projects.encoders.encoder_settings import check_encoder
from labeling.projects.limits import PROJECTS, PROJECTS_OF_PERSON
from labeling.projects.model_settings import check_model
from labeling.projects.people import access, invisible
from labeling.projects.people.members import set_role
from labeling.projects.settings import errors_of, starts_with_grids
from labeling.questions import QUESTIONS, InvalidValue
from labeling.questions.base import KEYS, MAX_NAME

# Without characters that look alike in writing: no 0 and o, no 1, i and l.
ENDING_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
ENDING_LENGTH = 4


class TooManyProjects(StateConflict):
    """The limit on projects is reached; the message names the limit, and what to do."""


def check_classes(names: Sequence[str], question: str = "single") -> list[str]:
    """Return the class names, trimmed.

    Raises `ValidationError` for too few or too many names, and for an empty, repeated or misleading name.
    """
    trimmed = [name.strip() for name in names]
    if any(not name for name in trimmed):
        raise ValidationError({"classes": gettext("A class name is empty. Separate the names by single commas.")})
    if any(len(name) > MAX_NAME for name in trimmed):
        raise ValidationError(
            {"classes": gettext("A class name may have at most %(longest)s characters.") % {"longest": MAX_NAME}}
        )
    if len(trimmed) > MAX_CLASSES:
        raise ValidationError(
            {
                "classes": gettext("%(trimmed)s classes are too many: at most %(most)s.")
                % {"trimmed": len(trimmed), "most": MAX_CLASSES}
            }
        )
    for number, name in enumerate(trimmed, start=1):
        at = invisible.first_invisible(name)
        if at is not None:
            raise ValidationError({"classes": _invisible_character(number, name, at)})
    # "é" as one character and "é" as two characters are the same name.
    repeated = sorted(name for name, n in Counter(normalize("NFC", name) for name in trimmed).items() if n > 1)
    if repeated:
        raise ValidationError(
            {
                "classes": gettext("Some classes are listed twice: %(repeated)s. List each class once.")
                % {"repeated": ", ".join(repeated[:5])}
            }
        )
    if len(trimmed) < 2:
        raise ValidationError({"classes": gettext("Enter at least two classes.")})
    try:
        if question in QUESTIONS:  # `full_clean` of the project reports an unknown question
            QUESTIONS[question].check_classes(trimmed)
    except InvalidValue as error:
        raise ValidationError({"classes": str(error)}) from error
    return trimmed


def slug_for(user: User, slug: str) -> str:
    """Return the slug of a new project of `user`: for an operator `slug` itself, for others `slug` with a random
    ending.

    An error for a taken slug would reveal the names of other people's projects.
    """
    if access.is_operator(user):
        return slug
    ending = "".join(secrets.choice(ENDING_LETTERS) for _ in range(ENDING_LENGTH))
    return f"{slug[: MAX_SLUG - ENDING_LENGTH - 1].rstrip('-')}-{ending}"


def name_for(slug: str) -> str:
    """Return the name of a project that was created without a name."""
    return slug.replace("-", " ").capitalize()


def class_lines(text: str) -> list[str]:
    """Return the names in a text with one name a line.

    Only LF, CR and CRLF end a line: `check_classes` refuses a name with another line separator.
    """
    return [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]


def _invisible_character(number: int, name: str, at: int) -> str:
    return gettext(
        "Class %(number)s, “%(name)s”, has %(sign)s in place %(place)s, which is invisible: one class could look like "
        "another. Delete it."
    ) % {"number": number, "name": invisible.shown(name), "sign": invisible.named(name[at]), "place": at + 1}


def _check_limits(user: User) -> None:
    """Raise `TooManyProjects` if `user` cannot create another project. Call in the transaction that creates it.

    Deleted projects count until they are erased. One project is created at a time.
    """
    # No project exists yet that could be locked, so this row is locked, which every installation has.
    ContentType.objects.select_for_update(no_key=True).get(app_label="labeling", model="project")
    problem = PROJECTS.problem(Project.objects.count())
    if not access.is_operator(user):
        problem = PROJECTS_OF_PERSON.problem(Project.objects.filter(created_by=user).count()) or problem
    if problem:
        raise TooManyProjects(problem)


@transaction.atomic
def create_project(
    *,
    slug: str,
    kind: str,
    classes: Sequence[str],
    manager: User | None = None,
    creator: User | None = None,
    settings: Mapping[str, Any],
) -> Project:
    """Create a project with its classes and first manager. Raises `ValidationError` naming the field at fault.

    With a `creator`, the limits on projects are checked, and the project counts towards that person's limit. Raises
    `TooManyProjects`.
    """
    if creator is not None:
        _check_limits(creator)
    text = settings.get("guidelines", "")
    project = Project(slug=slug, kind=kind, created_by=creator, **{**settings, "guidelines": ""})
    names = check_classes(classes, project.question)
    if "grids" not in settings and project.question in QUESTIONS and project.kind in kinds.KINDS:
        project.grids = starts_with_grids(project)
    project.name = project.name or name_for(slug)
    project.full_clean()
    choice = {name: value for name, value in project.encoder.items() if name != "by"}
    with errors_of("encoder"):
        check_encoder(project.kind, choice, private=project.privacy_epsilon is not None)
    check_project_model(project)
    check_setting(project)
    try:
        with transaction.atomic():
            project.save()
    except IntegrityError:  # another request took the slug after the check
        raise ValidationError({"slug": gettext("This short name is already in use.")}) from None
    LabelClass.objects.bulk_create(
        [
            LabelClass(project=project, index=index, position=index, name=name, key=key)
            for index, (name, key) in enumerate(zip(names, first_keys(names), strict=True))
        ],
        batch_size=1000,
    )
    with auditlog.part_of_one():
        guidelines.save(project=project, user=manager, text=text)
        if manager is not None:
            set_role(project=project, user=manager, role=Role.MANAGER)
    after = {"slug": slug, "kind": kind, "question": project.question, "classes": len(names)}
    after |= auditlog.newest_of_server()
    auditlog.record(LogKind.PROJECT_CREATED, project=project, whom=manager, after=after)
    auditlog.seal_project(project)
    return project


def check_project_model(project: Project) -> None:
    """Check the project's model and its settings.

    Raises `ValidationError` if the model cannot learn the question, if it cannot be trained within the privacy budget,
    or if settings contradict each other.
    """
    project.clean()
    with errors_of("model"):
        check_model(project.model, question=project.question, private=project.privacy_epsilon is not None)


def first_keys(names: Sequence[str]) -> list[str]:
    """Return the keys of a new project's classes: the digit keys in order, then "". If all names are digits, the names.

    >>> first_keys(["cat", "dog"]), first_keys(["0", "1"])
    (['1', '2'], ['0', '1'])
    """
    if all(len(name) == 1 and name in KEYS for name in names):
        return list(names)
    return [*KEYS, *[""] * len(names)][: len(names)]
