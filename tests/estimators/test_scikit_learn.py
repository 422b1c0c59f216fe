"""Test scikit-learn's classifiers as models: training, storage and errors."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils import all_estimators

from models_store import artifact
from models_store.artifact import ArtifactError
from models_store.estimators import EstimatorError, named
from models_store.estimators.scikit_learn import CLASSIFIERS, ScikitLearn
from models_store.learning import learn
from models_store.prediction import predict
from models_store.training import Recipe, Trained, TrainingSet
from tests.extent import some

CENTRES = np.random.default_rng(99).normal(size=(4, 6)) * 2.5


def blobs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 4, n)
    return (CENTRES[classes] + rng.normal(size=(n, 6))).astype(np.float32), classes


def learned(question: str = "single", classifier: str = "LogisticRegression", parameters: str = "{}") -> Trained:
    features, classes = blobs(300, seed=1)
    targets = np.eye(4, dtype=bool)[classes] if question == "multi" else classes
    return learn(TrainingSet(features, targets, question, 4, (6,)), recipe(classifier, parameters))


def recipe(classifier: str = "LogisticRegression", parameters: str = "{}") -> Recipe:
    return Recipe(1, learner=named("scikit-learn"), options={"classifier": classifier, "parameters": parameters})


# One wraps others, one takes counts alone, or there is no probability: these cannot be taken.
LEFT_OUT = {
    "CalibratedClassifierCV", "CategoricalNB", "ClassifierChain", "ComplementNB", "DummyClassifier",
    "FixedThresholdClassifier", "MultiOutputClassifier", "MultinomialNB", "OneVsRestClassifier", "StackingClassifier",
    "SelfTrainingClassifier", "TunedThresholdClassifierCV", "VotingClassifier", "SVC", "NuSVC", "SGDClassifier",
}  # fmt: skip


def test_every_classifier_that_tells_probabilities_can_be_taken() -> None:
    there = {name for name, kind in all_estimators(type_filter="classifier") if hasattr(kind, "predict_proba")}
    assert there - LEFT_OUT <= set(CLASSIFIERS)


@pytest.mark.parametrize(
    "classifier",
    some(
        [
            "LogisticRegression",
            "RandomForestClassifier",
            "HistGradientBoostingClassifier",
            "KNeighborsClassifier",
            "GaussianNB",
        ],
        2,
    ),
)
def test_it_learns_and_is_the_same_once_it_was_saved(classifier: str, tmp_path: Path) -> None:
    trained = learned(classifier=classifier)
    features, classes = blobs(400, seed=2)
    parts = list(predict(trained.model, features, extras=["entropies", "errors", "probabilities"]))
    assert (parts[0].best == classes).mean() > 0.85
    np.testing.assert_allclose(parts[0].probabilities.sum(axis=1), 1, atol=1e-4)
    top = np.sort(parts[0].probabilities, axis=1)
    np.testing.assert_allclose(parts[0].margins, top[:, -1] - top[:, -2], atol=1e-3)
    np.testing.assert_array_equal(parts[0].embeddings, features)
    digest = artifact.save(tmp_path / "v1", trained, manifest={})
    assert artifact.save(tmp_path / "v2", learned(classifier=classifier), manifest={}) == digest
    again = next(iter(predict(artifact.load(tmp_path / "v1", digest=digest), features)))
    np.testing.assert_array_equal(again.margins, parts[0].margins)


@pytest.mark.parametrize("question", ["multi", "score"])
def test_other_questions_it_can_learn(question: str) -> None:
    features, classes = blobs(400, seed=2)
    found = next(iter(predict(learned(question).model, features)))
    assert (found.best == classes).mean() > 0.85


def test_classes_without_a_label_have_no_probability_and_one_class_alone_is_certain() -> None:
    features, classes = blobs(200, seed=1)
    for kept in ([0, 2], [2]):
        rows = np.isin(classes, kept)
        trained = learn(TrainingSet(features[rows], classes[rows], "single", 4, (6,)), recipe())
        found = next(iter(predict(trained.model, features, extras=["probabilities"])))
        assert set(found.best) <= set(kept)
        assert found.probabilities is not None
        assert found.probabilities[:, [each for each in range(4) if each not in kept]].max() < 1e-5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classifier": "SupportVectorMachine"}, "No classifier of scikit-learn that can be taken is called"),
        ({"classifier": "os.system"}, "No classifier of scikit-learn that can be taken is called"),
        ({"parameters": "{"}, "not JSON"),
        ({"parameters": "[1]"}, "must be an object"),
        ({"parameters": '{"trees": 3}'}, "has no parameter 'trees'"),
        ({"parameters": '{"C": -1}'}, "C must be a number from 1e-09 to 1e\\+06, not -1"),
        ({"parameters": '{"solver": "liblinear", "l1_ratio": 0.5}'}, "cannot learn these labels"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(EstimatorError, match=said) as caught:
        learned(**options)
    assert "\n" not in str(caught.value)


def validated(name: str, values: dict[str, Any]) -> None:
    """Raise scikit-learn's error for an unknown parameter value."""
    module = import_module(f"sklearn.{CLASSIFIERS[name].module}")
    getattr(module, name)().set_params(**values)._validate_params()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_value_within_the_bounds_is_one_that_scikit_learn_takes(name: str) -> None:
    for parameter, bound in CLASSIFIERS[name].parameters.items():
        values = [*(bound.whole or ()), *(bound.real or ()), *bound.words, *([True, False] if bound.flag else [])]
        values += [list(bound.several)] if bound.several else []
        for value in [*values, *([None] if bound.null else [])]:
            assert bound.allows(value), (parameter, value)
            validated(name, {parameter: value})


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_no_parameter_takes_code_a_path_or_an_endless_number(name: str) -> None:
    for parameter, bound in CLASSIFIERS[name].parameters.items():
        for value in ("os.system", "../x", 10**12, -(10**12), float("inf"), float("nan"), {}, [10**9], ["../x"]):
            assert not bound.allows(value), (parameter, value)


def test_yes_or_no_is_not_for_it() -> None:
    features, classes = blobs(20, seed=1)
    with pytest.raises(EstimatorError, match="cannot learn the question 'verify'"):
        learn(TrainingSet(features, classes > 1, "verify", 4, (6,), classes), recipe())


def test_a_state_that_holds_anything_else_is_refused_and_not_run(tmp_path: Path) -> None:
    """An attacker who can write model files, and knows the digest, still cannot run code."""
    from skops import io

    class Evil:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "ran").touch, ())

    state = ScikitLearn.fit(
        *blobs(50, seed=1), question="single", n_classes=4, seed=1, classifier="GaussianNB", parameters="{}"
    ).state()
    state["classifier"] = np.frombuffer(io.dumps({"a": Evil()}), np.uint8)
    with pytest.raises(ValueError, match="which is not scikit-learn's"):
        ScikitLearn.from_state(state)
    assert not (tmp_path / "ran").exists()


def test_a_version_whose_package_is_gone_says_so(tmp_path: Path) -> None:
    artifact.save(tmp_path / "v1", learned(), manifest={})
    document = json.loads((tmp_path / "v1" / "manifest.json").read_text())
    document["network"]["config"]["estimator"] = "theirs"
    document["digest"] = artifact._digest(document)
    (tmp_path / "v1" / "manifest.json").write_bytes(artifact._written(document))
    with pytest.raises(ArtifactError, match="No model is called 'theirs' here"):
        artifact.load(tmp_path / "v1")
