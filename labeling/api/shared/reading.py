"""What was sent, as values."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError


def read(shape: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The values that a shape finds in what was sent. Raises DRF's `ValidationError`, which becomes a 400."""
    if data is None:
        raise ValidationError("No data provided")
    return dict(_made(shape).run_validation(data))


@cache
def _made(shape: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """A shape for all requests. To make one, each of its fields is copied; nothing of a request stays in it."""
    return shape()
