"""Read objects of the API into frozen dataclasses: the fields that programs use most, and all of them as `fields`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object of the API. `fields` has all of its fields."""

    fields: Mapping[str, Any] = field(repr=False, compare=False)


R = TypeVar("R", bound=Record)


def record(kind: type[R], fields: Mapping[str, Any]) -> R:
    """Return the object as a record of this kind."""
    names = [each.name for each in dataclasses.fields(kind) if each.name != "fields"]
    return kind(**{name: fields[name] for name in names}, fields=fields)
