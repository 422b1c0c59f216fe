"""The classifiers of scikit-learn that can be chosen, and the values that each of their parameters may take.

Light: web processes check parameters against this table, without scikit-learn. The upper bounds keep a training within
what a worker can do; the limits of a step (docs/reference/settings.md) hold beyond them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_LAYERS = 5


@dataclass(frozen=True, slots=True)
class Bound:
    """The values that a parameter may have: any of the given forms. Bounds of numbers are inclusive."""

    whole: tuple[int, int] | None = None
    real: tuple[float, float] | None = None
    words: tuple[str, ...] = ()
    flag: bool = False
    null: bool = False
    several: tuple[int, int] | None = None
    """The bounds of a list of up to five whole numbers."""

    def allows(self, value: Any) -> bool:
        if value is None or isinstance(value, bool):
            return self.null if value is None else self.flag
        if isinstance(value, str):
            return value in self.words
        if isinstance(value, list) and self.several:
            low, high = self.several
            return 1 <= len(value) <= MOST_LAYERS and all(type(each) is int and low <= each <= high for each in value)
        if isinstance(value, int) and self.whole and self.whole[0] <= value <= self.whole[1]:
            return True
        return isinstance(value, int | float) and self.real is not None and self.real[0] <= value <= self.real[1]

    def __str__(self) -> str:
        forms = [
            f"a whole number from {self.whole[0]:,} to {self.whole[1]:,}" if self.whole else "",
            f"a number from {self.real[0]:g} to {self.real[1]:g}" if self.real else "",
            *(f'"{word}"' for word in self.words),
            "true or false" if self.flag else "",
            f"a list of up to {MOST_LAYERS} whole numbers from {self.several[0]:,} to {self.several[1]:,}"
            if self.several
            else "",
            "null" if self.null else "",
        ]
        return " or ".join(form for form in forms if form)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier's module in scikit-learn, and the parameters that can be set."""

    module: str
    parameters: Mapping[str, Bound] = field(default_factory=dict)


FLAG = Bound(flag=True)
TREES = Bound(whole=(1, 2000))
ROUNDS = Bound(whole=(1, 10_000))
POSITIVE = Bound(real=(1e-9, 1e6))
SMALL = Bound(real=(0.0, 1e6))
SHARE = Bound(real=(0.0, 1.0))
RATE = Bound(real=(1e-6, 10.0))
BALANCE = Bound(words=("balanced",), null=True)
SEED = Bound(whole=(0, 2**32 - 1))
THREADS = Bound(whole=(-1, 64), null=True)
"""`n_jobs`, where it means threads and not processes."""

OF_A_TREE = {
    "max_depth": Bound(whole=(1, 1000), null=True),
    "max_features": Bound(whole=(1, 100_000), real=(0.001, 1.0), words=("sqrt", "log2"), null=True),
    "max_leaf_nodes": Bound(whole=(2, 100_000), null=True),
    "min_samples_leaf": Bound(whole=(1, 1_000_000), real=(1e-6, 0.5)),
    "min_samples_split": Bound(whole=(2, 1_000_000), real=(1e-6, 1.0)),
    "min_weight_fraction_leaf": Bound(real=(0.0, 0.5)),
    "min_impurity_decrease": SMALL,
    "ccp_alpha": SMALL,
    "random_state": SEED,
}
TREE = {
    **OF_A_TREE,
    "criterion": Bound(words=("gini", "entropy", "log_loss")),
    "splitter": Bound(words=("best", "random")),
    "class_weight": BALANCE,
}
SAMPLES = Bound(whole=(1, 1_000_000), real=(0.001, 1.0), null=True)
FOREST = {
    **OF_A_TREE,
    "criterion": Bound(words=("gini", "entropy", "log_loss")),
    "n_estimators": TREES,
    "bootstrap": FLAG,
    "max_samples": SAMPLES,
    "class_weight": Bound(words=("balanced", "balanced_subsample"), null=True),
    "n_jobs": THREADS,
}
METRICS = ("minkowski", "euclidean", "manhattan", "chebyshev", "cosine")
NEIGHBORS = {
    "weights": Bound(words=("uniform", "distance")),
    "algorithm": Bound(words=("auto", "ball_tree", "kd_tree", "brute")),
    "leaf_size": Bound(whole=(1, 10_000)),
    "p": Bound(real=(1.0, 100.0)),
    "metric": Bound(words=METRICS),
    "n_jobs": THREADS,
}
SPREADING = {
    "kernel": Bound(words=("knn", "rbf")),
    "gamma": SMALL,
    "n_neighbors": Bound(whole=(1, 1000)),
    "max_iter": ROUNDS,
    "tol": SMALL,
}
REGRESSION = {
    "dual": FLAG,
    "fit_intercept": FLAG,
    "intercept_scaling": POSITIVE,
    "class_weight": BALANCE,
    "random_state": SEED,
    "solver": Bound(words=("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")),
    "max_iter": ROUNDS,
    "tol": Bound(real=(1e-12, 1.0)),
}

CLASSIFIERS: dict[str, Classifier] = {
    "AdaBoostClassifier": Classifier("ensemble", {"n_estimators": TREES, "learning_rate": RATE, "random_state": SEED}),
    "BaggingClassifier": Classifier(
        "ensemble",
        {
            "n_estimators": TREES,
            "max_samples": SAMPLES,
            "max_features": Bound(whole=(1, 100_000), real=(0.001, 1.0)),
            "bootstrap": FLAG,
            "bootstrap_features": FLAG,
            "random_state": SEED,
        },
    ),
    "BernoulliNB": Classifier(
        "naive_bayes",
        {"alpha": SMALL, "binarize": Bound(real=(0.0, 1e6), null=True), "fit_prior": FLAG, "force_alpha": FLAG},
    ),
    "DecisionTreeClassifier": Classifier("tree", TREE),
    "ExtraTreeClassifier": Classifier("tree", TREE),
    "ExtraTreesClassifier": Classifier("ensemble", FOREST),
    "GaussianNB": Classifier("naive_bayes", {"var_smoothing": SMALL}),
    "GaussianProcessClassifier": Classifier(
        "gaussian_process",
        {
            "n_restarts_optimizer": Bound(whole=(0, 20)),
            "max_iter_predict": Bound(whole=(1, 1000)),
            "multi_class": Bound(words=("one_vs_rest",)),
            "optimizer": Bound(words=("fmin_l_bfgs_b",), null=True),
            "random_state": SEED,
        },
    ),
    "GradientBoostingClassifier": Classifier(
        "ensemble",
        {
            **OF_A_TREE,
            "n_estimators": TREES,
            "learning_rate": RATE,
            "loss": Bound(words=("log_loss", "exponential")),
            "subsample": Bound(real=(0.001, 1.0)),
            "validation_fraction": Bound(real=(0.01, 0.9)),
            "n_iter_no_change": Bound(whole=(1, 10_000), null=True),
            "tol": SMALL,
        },
    ),
    "HistGradientBoostingClassifier": Classifier(
        "ensemble",
        {
            "max_iter": Bound(whole=(1, 2000)),
            "learning_rate": RATE,
            "max_leaf_nodes": Bound(whole=(2, 10_000), null=True),
            "max_depth": Bound(whole=(1, 1000), null=True),
            "min_samples_leaf": Bound(whole=(1, 1_000_000)),
            "l2_regularization": SMALL,
            "max_features": Bound(real=(0.001, 1.0)),
            "max_bins": Bound(whole=(2, 255)),
            "early_stopping": Bound(words=("auto",), flag=True),
            "validation_fraction": Bound(real=(0.01, 0.9), null=True),
            "n_iter_no_change": Bound(whole=(1, 10_000)),
            "tol": SMALL,
            "class_weight": BALANCE,
            "random_state": SEED,
        },
    ),
    "KNeighborsClassifier": Classifier("neighbors", {**NEIGHBORS, "n_neighbors": Bound(whole=(1, 1000))}),
    "LabelPropagation": Classifier("semi_supervised", SPREADING),
    "LabelSpreading": Classifier("semi_supervised", {**SPREADING, "alpha": Bound(real=(1e-6, 0.999_999))}),
    "LinearDiscriminantAnalysis": Classifier(
        "discriminant_analysis",
        {
            "solver": Bound(words=("svd", "lsqr", "eigen")),
            "shrinkage": Bound(real=(0.0, 1.0), words=("auto",), null=True),
            "n_components": Bound(whole=(1, 10_000), null=True),
            "tol": SMALL,
        },
    ),
    "LogisticRegression": Classifier(
        "linear_model", {**REGRESSION, "C": POSITIVE, "l1_ratio": Bound(real=(0.0, 1.0), null=True)}
    ),
    "LogisticRegressionCV": Classifier(
        "linear_model", {**REGRESSION, "Cs": Bound(whole=(1, 20)), "cv": Bound(whole=(2, 10), null=True)}
    ),
    "MLPClassifier": Classifier(
        "neural_network",
        {
            "hidden_layer_sizes": Bound(whole=(1, 4096), several=(1, 4096)),
            "activation": Bound(words=("identity", "logistic", "tanh", "relu")),
            "solver": Bound(words=("lbfgs", "sgd", "adam")),
            "alpha": SMALL,
            "batch_size": Bound(whole=(1, 65_536), words=("auto",)),
            "learning_rate": Bound(words=("constant", "invscaling", "adaptive")),
            "learning_rate_init": Bound(real=(1e-9, 10.0)),
            "power_t": SHARE,
            "max_iter": Bound(whole=(1, 5000)),
            "max_fun": Bound(whole=(1, 100_000)),
            "shuffle": FLAG,
            "tol": SMALL,
            "momentum": SHARE,
            "nesterovs_momentum": FLAG,
            "early_stopping": FLAG,
            "validation_fraction": Bound(real=(0.01, 0.9)),
            "beta_1": Bound(real=(0.0, 0.999_999)),
            "beta_2": Bound(real=(0.0, 0.999_999)),
            "epsilon": POSITIVE,
            "n_iter_no_change": Bound(whole=(1, 10_000)),
            "random_state": SEED,
        },
    ),
    "NearestCentroid": Classifier(
        "neighbors",
        {
            "metric": Bound(words=("euclidean", "manhattan")),
            "shrink_threshold": Bound(real=(1e-9, 1e6), null=True),
            "priors": Bound(words=("uniform", "empirical")),
        },
    ),
    "QuadraticDiscriminantAnalysis": Classifier("discriminant_analysis", {"reg_param": SHARE, "tol": SMALL}),
    "RadiusNeighborsClassifier": Classifier("neighbors", {**NEIGHBORS, "radius": SMALL}),
    "RandomForestClassifier": Classifier("ensemble", FOREST),
}
"""All classifiers by name, without those that wrap another classifier or take counts alone."""
