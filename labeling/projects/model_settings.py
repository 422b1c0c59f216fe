"""Check a project's choice of a model, `{"name": …, "options": {…}}`, and its settings for the training of a network,
without loading a model. An empty choice is the network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from models_store import estimators
from models_store.config import TrainConfig
from models_store.encoders.options import OptionError, settled
from models_store.estimators import EstimatorError, Learner, NetworkLearner

NO_WEIGHTS = Path("no-weights")  # no estimator has an option for weights


def learner_of(choice: Mapping[str, Any]) -> tuple[type[Learner], dict[str, Any]]:
    """Return the learner of a choice, and its options with defaults filled in.

    Raises `ValidationError` for an invalid choice; its `code` is the name of the option at fault.
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
    """Return the learners that can learn the question, the default first."""
    return [each for each in known() if each.learns(question)]


def known() -> list[type[Learner]]:
    """Return all learners, the default first; only built-in learners if a plug-in is broken."""
    try:
        return [*estimators.known().values()]
    except EstimatorError:
        return [*estimators.OURS]


def check_model(value: Any, *, question: str, private: bool) -> dict[str, Any]:
    """Return `value` if it is a valid choice for the question and, with `private`, for a privacy budget.

    Raises `ValidationError`.
    """
    if not isinstance(value, dict) or not {*value} <= {"name", "options"} or not isinstance(value.get("name", ""), str):
        raise ValidationError(gettext('The model must be an object such as {"name": "scikit-learn", "options": {}}.'))
    if not isinstance(value.get("options", {}), dict):
        raise ValidationError(
            gettext('The options of the model must be an object such as {"classifier": "RandomForestClassifier"}.')
        )
    learner, _ = learner_of(value)
    if not learner.learns(question):
        names = ", ".join(each.name for each in learners_for(question))
        raise ValidationError(
            gettext("%(name)s cannot learn the question %(question)s. These can: %(names)s.")
            % {"name": learner.name, "question": repr(question), "names": names}
        )
    if private and "private" not in learner.abilities:
        raise ValidationError(
            gettext("%(name)s cannot be trained within a privacy budget. Choose the network, or remove the budget.")
            % {"name": learner.name}
        )
    return value


def check_training(value: Any) -> dict[str, Any]:
    """Return `value` if the training of a network knows its keys and accepts their values. Raises `ValidationError`."""
    if not isinstance(value, dict):
        raise ValidationError(gettext('The training settings must be an object such as {"epochs": 40}.'))
    try:
        TrainConfig.from_dict(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    return value
