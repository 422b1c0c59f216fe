"""What was sent, as values."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


def read(shape: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The values that a shape finds in what was sent. Raises DRF's `ValidationError`, which becomes a 400."""
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
