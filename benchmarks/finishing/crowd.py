"""Several simulated people, who answer independently of each other: each as `benchmarks.seconds.people` has one."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from benchmarks.finishing.answers import AnswerKind
from benchmarks.finishing.asking import Errors, Pace
from benchmarks.seconds.people import ANCHORED, BIT, GLANCE, MISSED, PREVALENCE, H, K, M, P

PEOPLE = 8
PAGE = 60
"""Items in a grid, at most."""


class Crowd:
    """People who answer in turn: each item is asked of one person after the other.

    seconds_by : their time by purpose.
    """

    def __init__(self, truth: NDArray[np.int64], kind: AnswerKind, seed: int, error: float) -> None:
        self.people = [kind.people(truth, PEOPLE * seed + number, error) for number in range(PEOPLE)]
        self.error, self.n_classes = error, kind.n_classes
        self.seconds_by: dict[str, float] = defaultdict(float)
        self.purpose = "learning"
        self.answers = 0
        self._alone = np.array([person.alone for person in self.people])
        self._turn = np.zeros(len(truth), np.int64)

    def copy(self) -> Crowd:
        other = copy.copy(self)
        other._turn, other.seconds_by = self._turn.copy(), self.seconds_by.copy()
        return other

    @property
    def seconds(self) -> float:
        return sum(self.seconds_by.values())

    @contextmanager
    def doing(self, purpose: str) -> Iterator[None]:
        """Count the seconds until the end for this purpose."""
        before, self.purpose = self.purpose, purpose
        yield
        self.purpose = before

    def _spend(self, seconds: float) -> None:
        self.seconds_by[self.purpose] += seconds

    @property
    def task(self) -> float:
        """Return the seconds for one item alone."""
        return self.people[0].task

    def alone(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the next person's answer to each item, asked alone."""
        turn = self._next(rows)
        self._spend(len(rows) * self.task)
        return self._alone[turn, rows]

    def suggested(self, rows: NDArray[np.int64], guesses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the next person's answer to each item with the model's guess shown."""
        turn, labels = self._next(rows), np.empty(len(rows), np.int64)
        for number in np.unique(turn):
            mine = turn == number
            labels[mine], seconds = self.people[number].suggested(rows[mine], guesses[mine])
            self._spend(seconds)
        return labels

    def in_grids(self, rows: NDArray[np.int64], guesses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return one person's answers to each page of a class, in the order of `rows`; those marked as odd are then
        answered alone.
        """
        labels = np.empty(len(rows), np.int64)
        for guess in np.unique(guesses):
            of_class = np.flatnonzero(guesses == guess)
            for start in range(0, len(of_class), PAGE):
                page = of_class[start : start + PAGE]
                person = self.people[int(self._next(rows[page]).max())]
                labels[page], seconds = person.in_a_grid(rows[page], int(guess))
                self._spend(seconds)
        return labels

    def beside(self, sources: NDArray[np.int64], copies: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which near-copies beside these answered items one person leaves in."""
        same, seconds = self.people[self.answers % PEOPLE].copies(sources, copies)
        self._spend(seconds)
        return same

    def _next(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        turn = self._turn[rows]
        self._turn[rows] = (turn + 1) % PEOPLE
        self.answers += len(rows)
        return turn

    def pace(self) -> Pace:
        """Return the pace that a project would measure."""
        choosing = BIT * np.log2(max(self.n_classes - 1, 1))
        page = (M + K) / PAGE
        return Pace(self.task, M + BIT + K, float(choosing), GLANCE + page, P + K + 2 * H * 0.2)

    def errors(self, probabilities: NDArray[np.float64]) -> Errors:
        """Return the errors that a project would measure: a page's items are about as probable as each of them."""
        prevalence = np.log(np.clip(1 - probabilities, PREVALENCE[0], PREVALENCE[-1]))
        return Errors(self.error, ANCHORED, np.interp(prevalence, np.log(PREVALENCE), MISSED), self.error)
