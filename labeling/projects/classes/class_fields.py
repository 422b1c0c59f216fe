"""Set and check the fields of a class that managers edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from labeling.models import LabelClass, Project
from labeling.models.classes import MAX_ALIASES
from labeling.projects.people import invisible
from labeling.questions.base import KEYS, MAX_NAME

EDITABLE = ("name", "description", "key", "colour", "aliases", "parent_id")


def fill(label_class: LabelClass, fields: Mapping[str, Any]) -> None:
    """Set these fields of the class, without saving it. Raises `ValidationError`, by field, for a wrong value."""
    unknown = set(fields) - {*EDITABLE, "parent"}
    if unknown:
        raise ValidationError(dict.fromkeys(unknown, gettext("A class does not have this field.")))
    for name, value in fields.items():
        setattr(label_class, name, value)
    label_class.name = label_class.name.strip()
    label_class.aliases = _aliases(label_class.aliases)
    _check_name(label_class)
    _check_parent(label_class)
    label_class.clean_fields(exclude={"project", "index", "position", "archived_at"})
    same_key = label_class.project.classes.offered().filter(key=label_class.key).exclude(pk=label_class.pk).first()
    if label_class.key and same_key:
        raise ValidationError({"key": gettext("“%(name)s” has this key already.") % {"name": same_key.name}})


def free_key(project: Project, wanted: str = "") -> str:
    """Return the key `wanted` if no offered class has it, else the lowest free key; "" if all keys are taken."""
    taken = set(project.classes.offered().values_list("key", flat=True))
    free = [key for key in KEYS if key not in taken]
    return wanted if wanted in free else next(iter(free), "")


def _aliases(aliases: Any) -> list[str]:
    if not isinstance(aliases, list) or not all(isinstance(each, str) for each in aliases):
        raise ValidationError({"aliases": gettext("Aliases are a list of words.")})
    trimmed = list(dict.fromkeys(each.strip() for each in aliases if each.strip()))
    if len(trimmed) > MAX_ALIASES or any(len(each) > MAX_NAME for each in trimmed):
        raise ValidationError(
            {
                "aliases": gettext("At most %(most)s aliases, of at most %(longest)s characters each.")
                % {"most": MAX_ALIASES, "longest": MAX_NAME}
            }
        )
    return trimmed


def _check_name(label_class: LabelClass) -> None:
    name = label_class.name
    if not name:
        raise ValidationError({"name": gettext("Give the class a name.")})
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
        text = gettext("There is a class “%(name)s” already.")
        if same.archived_at:
            text = gettext("There is a class “%(name)s” already. It is archived: restore it instead.")
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
            raise ValidationError({"parent": gettext("A class cannot be a kind of itself.")})
        above = parents.get(above)
