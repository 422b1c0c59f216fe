"""Check a project's `training` setting against the trainer's config, without loading the trainer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError

from models_store.config import TrainConfig

__all__ = ["TrainConfig", "check_training"]


def check_training(value: Any) -> dict[str, Any]:
    """Return `value` if the trainer knows its keys and accepts their values. Raises `ValidationError`."""
    if not isinstance(value, dict):
        raise ValidationError('The training settings must be an object such as {"epochs": 40}.')
    try:
        TrainConfig.from_dict(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    return value
