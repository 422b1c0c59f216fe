"""A project's choice of what learns from its labels, `{"name": …, "options": {…}}`, checked without loading it.

An empty choice is the network, whose settings are `training_settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from models_store import estimators
from models_store.encoders.options import OptionError, settled
from models_store.estimators import EstimatorError, Learner, NetworkLearner

NO_WEIGHTS = Path("no-weights")  # no estimator takes any


def learner_of(choice: Mapping[str, Any]) -> tuple[type[Learner], dict[str, Any]]:
    """What learns, and its options with defaults filled in.

    Raises `ValidationError` for a choice that cannot be; its `code` is the name of the option at fault.
    """
    try:
        learner = estimators.named(str(choice.get("name") or NetworkLearner.name))
        options = settled(learner.options, choice.get("options", {}), NO_WEIGHTS)
        learner.check(options)
    except EstimatorError as error:
        raise ValidationError(str(error)) from error
    except OptionError as error:
        raise ValidationError(str(error), code=error.option) from error
    return learner, options


def learners_for(question: str) -> list[type[Learner]]:
    """What can learn the question, the default first. What is not well installed is left out."""
    try:
        known = estimators.known().values()
    except EstimatorError:
        known = estimators.OURS  # type: ignore[assignment]
    return [each for each in known if each.learns(question)]


def known() -> list[str]:
    """The names of all that can learn something."""
    return [each.name for each in learners_for("single")]


def check_model(value: Any, *, question: str, private: bool) -> dict[str, Any]:
    """The choice, if it can be for such a project. Raises `ValidationError`."""
    if not isinstance(value, dict) or not {*value} <= {"name", "options"} or not isinstance(value.get("name", ""), str):
        raise ValidationError('The model must be an object such as {"name": "scikit-learn", "options": {}}.')
    if not isinstance(value.get("options", {}), dict):
        raise ValidationError(
            'The options of the model must be an object such as {"classifier": "RandomForestClassifier"}.'
        )
    learner, _ = learner_of(value)
    if not learner.learns(question):
        names = ", ".join(each.name for each in learners_for(question))
        raise ValidationError(f"{learner.name} cannot learn the question {question!r}. These can: {names}.")
    if private and "private" not in learner.abilities:
        raise ValidationError(
            f"{learner.name} cannot be trained within a privacy budget. Take the network, or give up the budget."
        )
    return value
