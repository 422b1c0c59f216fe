"""What all changes of classes share: the lock, the checks of a class's fields, and the record of the earlier ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import normalize

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import ClassChange, Job, LabelClass, LogKind, Project, User
from labeling.models.classes import MAX_ALIASES
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.people import invisible
from labeling.questions.base import KEYS, MAX_NAME


class ClassError(StateConflict):
    """The classes cannot be changed in this way now; the message says why."""


# Requests that are under way may have read the classes before the change: relabeling waits until they have ended.
SETTLE_SECONDS = 3
KINDS_THAT_RELABEL = (ClassChange.Kind.MERGED, ClassChange.Kind.SPLIT)
LEAST = 2
MOST_EARLIER_NAMES = 100
EDITABLE = ("name", "description", "key", "colour", "aliases", "parent_id")
"""The fields of a class that managers edit."""


def remember_name(project: Project, name: str, index: int) -> None:
    """Record the name that a class has had until now: open pages and answers under way still use that name."""
    project.earlier_names = [*project.earlier_names, [name, index, project.class_revision]][-MOST_EARLIER_NAMES:]
    project.save(update_fields=["earlier_names"])


def class_at(project: Project, index: int) -> LabelClass:
    """Return the class with this index. Raises `ClassError` if the project has none."""
    label_class = project.classes.filter(index=index).first()
    if label_class is None:
        raise ClassError(gettext("This project does not have this class."))
    return label_class


def offered_class(project: Project, index: int) -> LabelClass:
    """Return the class with this index. Raises `ClassError` if annotators cannot choose it, or there is none."""
    label_class = class_at(project, index)
    if label_class.archived_at is not None:
        raise ClassError(gettext("“%(name)s” is archived.") % {"name": label_class.name})
    return label_class


def require_one_more(project: Project) -> None:
    """Raise `ClassError` if only `LEAST` classes are offered, so that none of them can go."""
    if project.classes.offered().count() <= LEAST:
        raise ClassError(gettext("A project needs at least %(least)s classes.") % {"least": LEAST})


def refuse_for(reason: str) -> None:
    """Raise `ClassError` with this reason, of the project's question; nothing for an empty one."""
    if reason:
        raise ClassError(gettext("This cannot be changed. %(reason)s") % {"reason": gettext(reason)})


def set_fields(label_class: LabelClass, fields: Mapping[str, Any]) -> None:
    """Set these fields of the class, without saving it. Raises `ValidationError`, by field, for a wrong value."""
    unknown = set(fields) - {*EDITABLE, "parent"}
    if unknown:
        raise ValidationError(dict.fromkeys(unknown, gettext("A class does not have this field.")))
    for name, value in fields.items():
        setattr(label_class, name, value)
    label_class.name = label_class.name.strip()
    label_class.aliases = _read_aliases(label_class.aliases)
    _check_name(label_class)
    _check_parent(label_class)
    label_class.clean_fields(exclude={"project", "index", "position", "archived_at"})
    same_key = label_class.project.classes.offered().filter(key=label_class.key).exclude(pk=label_class.pk).first()
    if label_class.key and same_key:
        raise ValidationError({"key": gettext("“%(name)s” already has this key.") % {"name": same_key.name}})


def free_key(project: Project, wanted: str = "") -> str:
    """Return the key `wanted` if no offered class has it, else the lowest free key; "" if all keys are taken."""
    taken = set(project.classes.offered().values_list("key", flat=True))
    free = [key for key in KEYS if key not in taken]
    return wanted if wanted in free else next(iter(free), "")


def _read_aliases(aliases: Any) -> list[str]:
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):
        raise ValidationError({"aliases": gettext("Enter the aliases as a list of words.")})
    trimmed = list(dict.fromkeys(each.strip() for each in aliases if each.strip()))
    if len(trimmed) > MAX_ALIASES or any(len(each) > MAX_NAME for each in trimmed):
        raise ValidationError(
            {
                "aliases": gettext("Enter at most %(most)s aliases of at most %(longest)s characters each.")
                % {"most": MAX_ALIASES, "longest": MAX_NAME}
            }
        )
    return trimmed


def _check_name(label_class: LabelClass) -> None:
    name = label_class.name
    if not name:
        raise ValidationError({"name": gettext("Enter a name for the class.")})
    if len(name) > MAX_NAME:
        raise ValidationError(
            {"name": gettext("A class name may have at most %(longest)s characters.") % {"longest": MAX_NAME}}
        )
    if invisible.first_invisible(name) is not None or "\x00" in name:
        raise ValidationError({"name": gettext("The name has an invisible character. Type it again.")})
    others = label_class.project.classes.exclude(pk=label_class.pk)
    # "é" as one character and "é" as two characters are the same name.
    same = others.filter(name__in={name, normalize("NFC", name), normalize("NFD", name)}).first()
    if same is not None:
        text = gettext("The class “%(name)s” already exists.")
        if same.archived_at:
            text = gettext("The class “%(name)s” already exists, but is archived. Restore it instead.")
        raise ValidationError({"name": text % {"name": same.name}})


def _check_parent(label_class: LabelClass) -> None:
    parent = label_class.parent
    if parent is None:
        return
    if parent.project_id != label_class.project_id:
        raise ValidationError({"parent": gettext("This project does not have this class.")})
    parents = dict(label_class.project.classes.filter(parent__isnull=False).values_list("pk", "parent"))
    above: int | None = parent.pk
    while above is not None:
        if above == label_class.pk:
            raise ValidationError({"parent": gettext("A class cannot be its own parent.")})
        above = parents.get(above)


def archive_class(label_class: LabelClass) -> dict[int, Any]:
    """Stop offering the class. Return its earlier fields by its index, as `record_change` takes them."""
    before = {label_class.index: fields_of(label_class, ("archived_at",))}
    label_class.archived_at = timezone.now()
    label_class.save(update_fields=["archived_at"])
    return before


def fields_of(label_class: LabelClass, names: Iterable[str]) -> dict[str, Any]:
    """Return the present values of these fields of the class. Lists are copied, since a change may extend them."""
    values = {name: getattr(label_class, name) for name in names}
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}


def record_change(
    project: Project,
    user: User | None,
    kind: str,
    text: str,
    classes: Sequence[LabelClass],
    *,
    before: Mapping[int, Any] | None = None,
    merged: Mapping[str, int] | None = None,
) -> None:
    """Store a change of classes, with what its undo needs, and count up the project's revision.

    Parameters
    ----------
    text: the change, for people.
    classes: what it is about.
    before: the earlier fields of classes, by index.
    merged: the earlier `Project.merged`.
    """
    project.class_revision += 1
    project.save(update_fields=["class_revision"])
    ClassChange.objects.create(
        project=project,
        revision=project.class_revision,
        kind=kind,
        user=user,
        text=text[:500],
        classes=[each.index for each in classes],
        before={str(index): fields for index, fields in (before or {}).items()},
        merged_before=dict(merged or {}),
        relabels=kind in KINDS_THAT_RELABEL,
    )
    subject = ", ".join(f"class {each.index}" for each in classes[:5])
    auditlog.record(LogKind.CLASS_CHANGED, project=project, subject=subject, before=before, after={kind: text})


def enqueue_relabeling(project: Project) -> None:
    """Have a worker settle the labels that a merge or a split of classes affects."""
    Job.objects.enqueue(Job.Kind.RELABEL, project=project, delay_seconds=SETTLE_SECONDS)
