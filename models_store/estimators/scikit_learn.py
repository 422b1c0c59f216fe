"""The classifiers of scikit-learn that predict probabilities."""

import itertools
import json
import zipfile
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np

from models_store.encoders.options import Option
from models_store.estimators.base import Estimator, EstimatorError, Scores, State
from models_store.estimators.classifiers import CLASSIFIERS

SCHEMA = "schema.json"


class ScikitLearn(Estimator):
    """A classifier of scikit-learn. The embeddings are the features themselves."""

    name = "scikit-learn"
    meaning = (
        "A classifier of scikit-learn, such as a random forest or a logistic regression. It is quick, and strong on "
        "vectors and on the features of a pretrained encoder. The pool is clustered by the features."
    )
    questions = ("single", "multi", "score")
    abilities = frozenset({"soft"})
    options = {
        "classifier": Option("The name of its class, such as RandomForestClassifier.", default="LogisticRegression"),
        "parameters": Option('Its parameters as JSON, such as {"n_estimators": 300}.', default="{}"),
    }

    def __init__(self, classifier: Any, content: bytes, classes: np.ndarray, n_classes: int) -> None:
        """`classes`, (k,): the classes of the columns of its probabilities. `content`: the classifier after `fit`, by
        skops; some classifiers count their calls later.
        """
        self.classifier, self.content, self.classes, self.n_classes = classifier, content, classes, n_classes

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        _read_parameters(options["classifier"], options["parameters"])

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        targets: np.ndarray,
        *,
        question: str,
        n_classes: int,
        seed: int,
        weights: np.ndarray | None = None,
        **options: Any,
    ) -> Self:
        from sklearn.dummy import DummyClassifier
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.utils.validation import has_fit_parameter
        from skops import io

        classifier: Any = _classifier(options["classifier"], options["parameters"], seed)
        if targets.ndim == 2:
            classifier = OneVsRestClassifier(classifier)
        elif len(np.unique(targets)) == 1:  # most classifiers refuse to learn a single class
            classifier = DummyClassifier(strategy="prior")
        weighing = {}
        if weights is not None:
            if not has_fit_parameter(classifier, "sample_weight"):
                raise EstimatorError(
                    f"{options['classifier']} takes no weights, so it can learn neither soft labels nor near-copies "
                    "that count less: turn `soft_labels` off, and set `near_copies` to 0."
                )
            weighing = {"sample_weight": weights}
        try:
            classifier.fit(np.asarray(features, np.float32), targets.astype(np.int64), **weighing)
        except (ValueError, TypeError) as error:
            raise EstimatorError(f"{options['classifier']} cannot learn these labels: {_line(error)}") from error
        classes = np.arange(n_classes) if targets.ndim == 2 else np.asarray(classifier.classes_, np.int64)
        return cls(classifier, _repeatable(io.dumps(classifier)), classes, n_classes)

    def predict(self, features: np.ndarray) -> Scores:
        rows = np.asarray(features, np.float32)
        probabilities = np.zeros((len(rows), self.n_classes), np.float32)
        probabilities[:, self.classes] = self.classifier.predict_proba(rows)
        return Scores(probabilities, rows)

    def state(self) -> State:
        content = np.frombuffer(self.content, np.uint8)
        return {"classifier": content, "classes": self.classes, "n_classes": np.array(self.n_classes)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        from skops import io

        content = np.asarray(state["classifier"], np.uint8).tobytes()
        strange = [kind for kind in io.get_untrusted_types(data=content) if not kind.startswith(("sklearn.", "numpy."))]
        if strange:
            raise ValueError(f"it holds {strange[0]}, which is not scikit-learn's")
        classifier = io.loads(content, trusted=io.get_untrusted_types(data=content))
        return cls(classifier, content, np.asarray(state["classes"], np.int64), int(state["n_classes"]))


def _read_parameters(name: str, parameters: str) -> dict[str, Any]:
    """Return the parameters. Raises `EstimatorError` if they are not valid for the classifier. Does not load
    scikit-learn.
    """
    if name not in CLASSIFIERS:
        known = ", ".join(CLASSIFIERS)
        raise EstimatorError(f"No classifier of scikit-learn that can be taken is called {name!r}; known: {known}.")
    try:
        values = json.loads(parameters)
    except ValueError as error:
        raise EstimatorError(f"The parameters of {name} are not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise EstimatorError(f'The parameters of {name} must be an object such as {{"max_iter": 1000}}.')
    bounds = CLASSIFIERS[name].parameters
    for parameter, value in values.items():
        if parameter not in bounds:
            known = ", ".join(sorted(bounds))
            raise EstimatorError(f"{name} has no parameter {parameter!r} that can be set; known: {known}.")
        if not bounds[parameter].allows(value):
            raise EstimatorError(f"{name}: {parameter} must be {bounds[parameter]}, not {json.dumps(value)}.")
    return values


def _classifier(name: str, parameters: str, seed: int) -> Any:
    values = _read_parameters(name, parameters)
    classifier = getattr(import_module(f"sklearn.{CLASSIFIERS[name].module}"), name)()
    fixed = {"random_state": seed} if "random_state" in classifier.get_params(deep=False) else {}
    return classifier.set_params(**{**fixed, **values})


def _repeatable(content: bytes) -> bytes:
    """Return a file of skops with objects numbered in their order instead of by address, and without times: the same
    classifier gives the same bytes.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    count, numbers = itertools.count(), dict[int, int]()
    renamed: dict[str, bytes] = {}

    def number(node: Any) -> Any:
        if isinstance(node, list):
            return [number(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "__id__" in node:
            if node.get("__loader__") != "CachedNode":  # places in memory are used again
                numbers[node["__id__"]] = next(count)
            node = {**node, "__id__": numbers[node["__id__"]]}
        if "file" in node and "__loader__" in node:
            name = f"{len(renamed)}{PurePosixPath(node['file']).suffix}"
            renamed[name] = files[node["file"]]
            node = {**node, "file": name}
        return {key: number(value) for key, value in node.items()}

    schema = json.dumps(number(json.loads(files[SCHEMA])), indent=2)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, each in {**renamed, SCHEMA: schema.encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), each)
    return buffer.getvalue()


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
