"""Simulated crowds of ten annotators with known mistakes."""

import numpy as np

CROWDS = {
    "good": ["good"] * 10,
    "mixed": ["good"] * 6 + ["random", "confuser", "careless", "fair"],
    "bad": ["good"] * 4 + ["random"] * 3 + ["confuser"] * 2 + ["careless"],
}
RIGHT = {"good": 0.95, "fair": 0.8, "careless": 0.95, "confuser": 0.95, "random": 0.0}
CARELESS_RIGHT, CARELESS_SHARE, HOUR = 0.5, 0.3, 25
"""In so many of their spans of `HOUR` answers, somebody careless is right so often."""
CONFUSED = 3


class Crowd:
    """The answer of each annotator to each item; all rules see the same answers."""

    def __init__(self, kinds: list[str], truth: np.ndarray, n_classes: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 11])
        self.order = np.array([rng.permutation(len(kinds)) for _ in truth])
        self.answers = np.empty((len(kinds), len(truth)), np.int64)
        for person, kind in enumerate(kinds):
            right = np.full(len(truth), RIGHT[kind])
            if kind == "careless":
                spans = rng.random(len(truth) // HOUR + 1) < CARELESS_SHARE
                right[np.repeat(spans, HOUR)[: len(truth)]] = CARELESS_RIGHT
            wrong = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
            answers = np.where(rng.random(len(truth)) < right, truth, wrong)
            if kind == "random":
                answers = rng.integers(n_classes, size=len(truth))
            if kind == "confuser":
                confused = rng.choice(n_classes, min(CONFUSED, max(1, n_classes // 3)), replace=False)
                answers = np.where(np.isin(truth, confused), (truth + 1) % n_classes, answers)
            self.answers[person] = answers
