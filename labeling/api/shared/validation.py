"""Parsing of request data."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError


def read(shape: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the validated data of the serializer `shape`. Raises DRF's `ValidationError`, which answers 400."""
    if data is None:
        raise ValidationError("No data provided")
    return dict(_made(shape).run_validation(data))


@cache
def _made(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return a serializer that all requests share, because making one copies every field. It keeps no data of a
    request.
    """
    return shape()
