"""The learners, by name: the networks of this package, scikit-learn, and the estimators of other packages.

A package offers an estimator by an entry point of the group `marginalia.models`. Light to import: an estimator loads
its libraries when it is used."""

from functools import cache
from importlib.metadata import entry_points

from models_store.estimators.base import (
    Estimator,
    EstimatorError,
    GivenLearner,
    Learner,
    NetworkLearner,
    Scores,
)
from models_store.estimators.scikit_learn import ScikitLearn

__all__ = ["Estimator", "EstimatorError", "GivenLearner", "Learner", "NetworkLearner", "Scores", "known", "named"]

GROUP = "marginalia.models"
OURS: tuple[type[Learner], ...] = (NetworkLearner, ScikitLearn, GivenLearner)
"""The first is the default."""


@cache
def known() -> dict[str, type[Learner]]:
    """Return all installed learners, by name, those of this package first.

    Raises `EstimatorError` if an entry point leads to no estimator, or to a name that is taken.
    """
    learners: dict[str, type[Learner]] = {each.name: each for each in OURS}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            theirs = point.load()
        except Exception as error:  # another package may raise anything
            raise EstimatorError(f"The model {point.name!r} ({point.value}) cannot be loaded: {error}") from error
        if not (isinstance(theirs, type) and issubclass(theirs, Estimator)):
            raise EstimatorError(f"The entry point {point.name!r} ({point.value}) is no subclass of Estimator.")
        if theirs.name in learners:
            raise EstimatorError(f"The model {point.name!r} ({point.value}) is called {theirs.name!r}, as another is.")
        learners[theirs.name] = theirs
    return learners


def named(name: str) -> type[Learner]:
    """Return the learner of that name. Raises `EstimatorError` for an unknown name."""
    if name not in known():
        raise EstimatorError(f"No model is called {name!r} here; known: {', '.join(known())}.")
    return known()[name]
