"""The fields of bodies. They accept JSON values of one type only: no text or boolean for a number.

Query parameters and forms are texts: their fields are DRF's own.
"""

import datetime
import math
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from django.db import models
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from labeling.questions import QUESTIONS

MAX_INT, MAX_ID = 2**31 - 1, 2**63 - 1

Shape = serializers.Serializer[Any]
"""The fields of an object in a request or a response."""


def read_body(shape: type[Shape], data: Any) -> dict[str, Any]:
    """Return the validated data of the serializer `shape`. Raises DRF's `ValidationError`, which answers 400."""
    if data is None:
        raise ValidationError("No data provided")
    return dict(_made(shape).run_validation(data))


@cache
def _made(shape: type[Shape]) -> Shape:
    """Return a serializer that all requests share, because making one copies every field. It keeps no data of a
    request.
    """
    return shape()


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, such as the names of a serializer's fields in their order."""
    return tuple(text.split())


def shows(model: type[models.Model], names: str) -> Any:
    """Return the `Meta` of a serializer that shows rows of the model, with these fields, and takes none."""
    return type("Meta", (), {"model": model, "fields": words(names), "read_only_fields": words(names)})


class _Described:
    """A field whose first argument is its help text."""

    def __init__(self, help_text: str | None = None, **settings: Any) -> None:
        super().__init__(help_text=help_text, **settings)  # type: ignore[call-arg]  # a field's


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Integer(_Described, serializers.IntegerField):
    """A JSON number without a fraction: 5, also 5.0."""

    default_error_messages = {"invalid": "Give a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not _is_number(data) or data != data // 1:
            self.fail("invalid")
        return int(data)


class Count(Integer):
    """A whole number that is not negative."""

    def __init__(self, help_text: str | None = None, **settings: Any) -> None:
        super().__init__(help_text, min_value=0, **settings)


class Float(_Described, serializers.FloatField):
    """A JSON number."""

    default_error_messages = {"invalid": "Give a number."}

    def to_internal_value(self, data: Any) -> float:
        if not _is_number(data) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class Share(Float):
    """A number from 0 to 1."""

    def __init__(self, help_text: str | None = None, **settings: Any) -> None:
        super().__init__(help_text, min_value=0, max_value=1, **settings)


class Boolean(_Described, serializers.BooleanField):
    """true or false."""

    default_error_messages = {"invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Text(_Described, serializers.CharField):
    """A JSON text. Surrounding white space is removed."""

    default_error_messages = {"invalid": "Give a text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Secret(Text):
    """A text that the server stores encrypted and that no response shows."""

    def __init__(self, help_text: str, **settings: Any) -> None:
        settings |= {"max_length": 1000, "required": False, "default": "", "allow_blank": True, "write_only": True}
        super().__init__(help_text, **settings)


class Choice(serializers.ChoiceField):
    """One of the listed texts."""

    def __init__(self, choices: Any, help_text: str | None = None, **settings: Any) -> None:
        super().__init__(choices, help_text=help_text, **settings)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class UUID(_Described, serializers.UUIDField):
    """A UUID as a text with hyphens."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or len(data) != 36:
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class Time(_Described, serializers.DateTimeField):
    """A time with its date."""


class Moment(Time):
    """A time in a response. The renderer writes it, as in responses that no serializer makes."""

    def to_representation(self, value: Any) -> Any:
        return value


class Object(_Described, serializers.DictField):
    """An object with names of any kind; `child` is the field of its values."""


class List(_Described, serializers.ListField):
    """A list; `child` is the field of its elements."""


class ShortList(List):
    """A list of bounded length. A longer list is refused before its elements are checked."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and len(data) > (self.max_length or 0):
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Texts(List):
    child = Text()


class Integers(List):
    child = Integer()


class Computed(serializers.SerializerMethodField):
    """What the method `get_…` of the serializer returns."""

    def __init__(self, help_text: str | None = None) -> None:
        super().__init__(help_text=help_text)


@extend_schema_field(OpenApiTypes.DOUBLE)
class Price(Float):
    """A number that is rounded to two decimals."""

    def to_internal_value(self, data: Any) -> Any:
        return Decimal(str(round(super().to_internal_value(data), 2)))

    def to_representation(self, value: Any) -> Any:
        return float(value)


_FIELDS: dict[Any, Any] = {bool: Boolean, int: Integer, float: Float, str: Text, datetime.datetime: Time}
_SHAPES: dict[Any, type[Shape]] = {}


def shape_of(declared: Any, name: str = "", *, without: str = "") -> type[Shape]:
    """Return the serializer that shows a dataclass or a named tuple, which declares the shape: each field by its type,
    with its text and its bounds from `Annotated`. Whole numbers are counts, unless they have bounds.

    `name` is the shape's name in the published schema, by default that of the class with `Figures` at its end.
    `without` names fields that it does not show.
    """
    if declared not in _SHAPES:
        hints = get_type_hints(declared, include_extras=True)
        own = {field: _field_of(hint) for field, hint in hints.items() if field not in without.split()}
        facts = {"__doc__": declared.__doc__, **own}
        _SHAPES[declared] = serializers.SerializerMetaclass(name or f"{declared.__name__}Figures", (Shape,), facts)
    return _SHAPES[declared]


def _field_of(hint: Any, **settings: Any) -> Any:
    origin, (first, *others) = get_origin(hint), get_args(hint) or (None,)
    if origin is Annotated:
        for each in others:
            settings |= {"help_text": each} if isinstance(each, str) else {"min_value": each[0], "max_value": each[1]}
        return _field_of(first, **settings)
    if origin in (Union, UnionType):
        [inner] = {first, *others} - {NoneType}
        return _field_of(inner, allow_null=True, **settings)
    if origin is tuple and Ellipsis not in others:
        settings |= dict.fromkeys(("min_length", "max_length"), len(others) + 1)
    if origin in (list, tuple):
        return (
            {str: Texts, int: Integers}[first](**settings)
            if first in (str, int)
            else shape_of(first)(many=True, **settings)
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Choice([(each.value, each.value) for each in hint], **settings)
    if hint is int:
        settings = {"min_value": 0, **settings}
    return (_FIELDS.get(hint) or shape_of(hint))(**settings)


_ONE_CLASS = {"oneOf": [{"type": "string"}, {"type": "integer"}]}


@extend_schema_field(
    {
        "oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "array", "items": _ONE_CLASS}],
        "description": " ".join(f"`{name}`: {question.answer}." for name, question in QUESTIONS.items())
        + " A class that is called 7 may be given as the number 7.",
    }
)
class AnswerValue(serializers.JSONField):
    """An answer or a label. The view checks whether the value answers the project's question."""


class Body(serializers.ModelSerializer[Any]):
    """A model serializer with strict fields."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.BooleanField: Boolean,
        models.CharField: Text,
        models.FloatField: Float,
        models.IntegerField: Integer,
        models.PositiveBigIntegerField: Integer,
        models.PositiveIntegerField: Integer,
        models.PositiveSmallIntegerField: Integer,
        models.TextField: Text,
    }
    serializer_choice_field = Choice


class Anything(serializers.JSONField):
    """Accepts any JSON value. The view validates it and reports each element that does not match `meant`."""

    def __init__(self, meant: type[serializers.Serializer[Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.meant = meant


class AnythingSchema(OpenApiSerializerFieldExtension):
    target_class = Anything

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        component = auto_schema.resolve_serializer(self.target.meant, direction)
        return {"anyOf": [component.ref, {"description": "Anything else comes back, with the reason."}]}
