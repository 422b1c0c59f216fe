"""Simulated colluding annotators who try to find out which tasks check annotators.

Three people, each in another language, answer a batch over the API and record all data that they receive for each task:
fields and their sizes, places in responses, numbers before and after each request, and who received the task. In place
of the time of a request they record its database statements, and the files that it reads at a source. A classifier then
tries to tell the kinds of tasks apart.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_member
from rest_framework.test import APIClient
from scipy.stats import rankdata

from labeling.models import Item, Project, Task, User
from tests.extent import ALL

# Numbers that tell the time or are drawn by chance.
CHANCE = {
    "id",
    "external_id",
    "claimed_at",
    "lease_expires_at",
    "seconds_left",
    "step_seconds_left",
    "share",
    "media_url",
}
PERMUTATIONS = 2000
RIDGE = 10.0
MAX_LEVELS = 8
"""A feature with at most so many different values is looked at value by value."""


@dataclass
class Adversary:
    """Plays a batch. `background` runs the server's work between requests; `answer` returns the value for an item;
    `reads` returns the number of files that were read at sources so far.
    """

    project: Project
    background: Callable[[], None]
    answer: Callable[[Item], Any]
    batch: int
    names: Sequence[str] = ("eve", "eva", "evan")
    reads: Callable[[], int] = lambda: 0
    connect: Callable[[User], Any] | None = None
    """Returns a person's client of a real server; without it, requests run in this process."""
    features: dict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        self._clients: dict[str, Any] = {}
        for name, language in zip(self.names, cycle(("en", "de", "ar"))):
            person = make_member(self.project, f"{name}-{self.project.slug}")
            if self.connect is not None:
                self._clients[name] = self.connect(person)
                continue
            self._clients[name] = APIClient(HTTP_ACCEPT_LANGUAGE=language)
            self._clients[name].force_authenticate(person)
        self._in_grids = self.project.grids
        self._claims = 0
        self._seen = {name: self._numbers(name) for name in self.names}

    def play(self) -> dict[int, dict[str, float]]:
        """Answer the batch until no task is left, and return the features of each task."""
        while self.work(self.names):
            pass
        return {task: dict(values) for task, values in self.features.items()}

    def work(self, names: Sequence[str]) -> bool:
        """Let each of these people claim and answer a few tasks. Return whether there were any."""
        return sum(self._work(name) for name in names) > 0

    def _work(self, name: str) -> bool:
        """Claim a few tasks, skip each (in short every second one) and undo the skip, and answer them.

        The second of the colluders first releases the tasks and claims again.
        """
        reply = self._call(
            name, "post", "claim/", {"count": 12 if self._in_grids else 4, "same_class": self._in_grids}, "claim", []
        )
        self._claims += 1
        tasks = [task for task in reply["tasks"] if task["batch"] == self.batch]
        if name == self.names[1]:
            tasks = self._give_back(name, tasks)
        for task in tasks:
            self._note_task(name, task, len(tasks))
        for task in tasks:
            self._answer(name, task)
        return bool(tasks)

    def _give_back(self, name: str, tasks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Release the tasks, claim as many again, and record which tasks come back."""
        given = [task["id"] for task in tasks]
        self._call(name, "post", "release/", {}, "release", given)
        reply = self._call(
            name, "post", "claim/", {"count": len(tasks) or 1, "same_class": self._in_grids}, "again", []
        )
        again = [task for task in reply["tasks"] if task["batch"] == self.batch]
        for key in given:
            self.features[key]["came back"] = float(key in {task["id"] for task in again})
        return again

    def _note_task(self, name: str, task: Mapping[str, Any], together: int) -> None:
        noted = self.features[task["id"]]
        asked = sum(f"given.{other}" in noted for other in self.names)
        noted[f"given.{name}"] = 1.0
        noted["asked of"] = asked + 1.0
        noted.setdefault("first place", task["rank"])
        noted["last place"] = task["rank"]
        noted.setdefault("first claim", self._claims)
        noted["last claim"] = self._claims
        noted["together"] = together
        noted["task id"] = task["id"]
        noted["item id"] = task["item"]["id"]
        noted.update({f"item.{path}": value for path, value in _sizes(task["item"])})
        self._look(name, task["item"]["media_url"], noted)

    def _look(self, name: str, url: str | None, noted: dict[str, float]) -> None:
        """Load the item's file, once for each person."""
        if url is None or f"file for {name}: status" in noted:
            return
        before = self.reads()
        with CaptureQueriesContext(connection) as statements:
            response = self._clients[name].get(url)
        noted[f"file for {name}: status"] = response.status_code
        noted[f"file for {name}: statements"] = len(statements)
        noted[f"file for {name}: reads"] = self.reads() - before
        noted["file: reads"] = noted.get("file: reads", 0.0) + self.reads() - before

    def _answer(self, name: str, task: Mapping[str, Any]) -> None:
        key, noted = task["id"], self.features[task["id"]]
        if "answered" not in noted and (ALL or key % 2):
            annotation = str(uuid.uuid4())
            skip = {"id": annotation, "task": key, "reason": "unclear"}
            self._call(name, "post", "skip/", skip, "skip", [key], looks=ALL)
            self.background()
            self._note_numbers(name, "replaced", [key])
            self._call(name, "delete", f"annotations/{annotation}/", None, "undo", [key], looks=ALL)
            self.background()
            self._note_numbers(name, "undone", [key])
        item = Item.objects.get(pk=task["item"]["id"])
        value = self.answer(item)
        is_right = value == item.truth
        copies = [copy["id"] for copy in task["item"].get("copies", [])]
        body: dict[str, Any] = {"id": str(uuid.uuid4()), "task": key, "value": str(value), "seconds": 1, "same": copies}
        if isinstance(value, bool):
            body["value"] = value
        if key % 5 == 0:
            body["comment"] = "Is it?"
        step = "answer" if "answered" not in noted else "answer again"
        noted.setdefault("answered", float(is_right))
        self._call(name, "post", "annotations/", {"annotations": [body]}, step, [key], looks=ALL)
        self.background()
        self._note_numbers(name, f"after {step}", [key])

    def _call(
        self, name: str, method: str, path: str, body: Any, step: str, about: Sequence[int], *, looks: bool = True
    ) -> Any:
        """Send the request and record its response, and with `looks` the changed numbers. Without, they are recorded
        once the server's background work has run.
        """
        send = getattr(self._clients[name], method)
        with CaptureQueriesContext(connection) as statements:
            response = send(f"/api/v1/projects/{self.project.slug}/{path}", body, format="json")
        for task in about:
            self.features[task][f"{step}: statements"] = len(statements)
            self.features[task][f"{step}: status"] = response.status_code
            self.features[task].update({f"{step}: {part}": size for part, size in _sizes(response.json())})
        if looks:
            self._note_numbers(name, step, about)
        return response.json()

    def _note_numbers(self, name: str, step: str, about: Sequence[int]) -> None:
        """Record the changes of the numbers that this person can read since the last call."""
        numbers = self._numbers(name)
        for task in about:
            for path, value in numbers.items():
                self.features[task][f"{step}: {path}"] = value - self._seen[name].get(path, 0.0)
        self._seen[name] = numbers

    def _numbers(self, name: str) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for path in ("progress/", "batches/", "comments/"):
            response = self._clients[name].get(f"/api/v1/projects/{self.project.slug}/{path}")
            numbers[f"{path} status"] = response.status_code
            numbers.update({f"{path} {inner}": value for inner, value in _leaves(response.json()).items()})
        return numbers


def _leaves(value: Any, path: str = "") -> Counter[str]:
    """Return the sums of the numbers in a JSON value by their path; a text counts 1."""
    sums = Counter[str]()
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in CHANCE:
                sums.update(_leaves(inner, f"{path}.{name}"))
    elif isinstance(value, list):
        sums[f"{path}.length"] += len(value)
        for inner in value:
            sums.update(_leaves(inner, path))
    else:
        sums[path] += float(value) if isinstance(value, int | float) else float(bool(value))
    return sums


def _sizes(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Return the lengths of the lists and texts in a JSON value by their path."""
    if isinstance(value, dict):
        yield f"{path}.names", len(value)
        for name, inner in value.items():
            yield from _sizes(inner, f"{path}.{name}")
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
    else:
        yield f"{path}.size", len(str(value))


def kinds_of(project: Project, batch: int) -> dict[int, str]:
    """Return the kind of each task of the batch."""
    tasks = Task.objects.filter(batch__project=project, batch__number=batch)
    tasks = tasks.select_related("item__as_copy", "audit_draw")
    return {task.pk: _kind(task) for task in tasks}


def _kind(task: Task) -> str:
    if task.is_gold:
        return "gold"
    if task.is_control:
        return "control"
    if hasattr(task, "audit_draw"):
        return "audit"
    is_check = task.asked and task.item is not None and hasattr(task.item, "as_copy") and task.item.as_copy.is_check
    return "check" if is_check else "other"


def matrix(features: Sequence[Mapping[str, float]]) -> tuple[list[str], np.ndarray]:
    """Return the features as standardized columns: each number, and an indicator of each value if a feature has few
    values.
    """
    names = sorted({name for each in features for name in each})
    columns: dict[str, np.ndarray] = {}
    for name in names:
        values = np.array([each.get(name, np.nan) for each in features])
        columns[f"{name} is there"] = (~np.isnan(values)).astype(float)
        numbers = np.where(np.isnan(values), np.nanmean(values), values)
        columns[name] = numbers
        levels = np.unique(numbers)
        if 2 < len(levels) <= MAX_LEVELS:
            columns |= {f"{name} = {level:g}": (numbers == level).astype(float) for level in levels}
    varying = {name: column for name, column in columns.items() if column.std() > 0}
    unique: dict[bytes, str] = {}
    for name, column in varying.items():
        unique.setdefault(((column - column.mean()) / column.std()).round(9).tobytes(), name)
    chosen = list(unique.values())
    if not chosen:
        return [], np.zeros((len(features), 0))
    table = np.column_stack([varying[name] for name in chosen])
    return chosen, (table - table.mean(axis=0)) / table.std(axis=0)


def auc(rank_sums: np.ndarray, positive: int, negative: int) -> np.ndarray:
    """Return the areas under ROC curves by the sums of the ranks of the positive ones."""
    area: np.ndarray = (rank_sums - positive * (positive + 1) / 2) / (positive * negative)
    return area


@dataclass(frozen=True)
class Verdict:
    """How well a kind of task can be recognised: the `area` under the ROC curve of left-out tasks, its p-value, and the
    most informative features.
    """

    kind: str
    area: float
    p: float
    telling: list[tuple[float, str]]

    def __str__(self) -> str:
        told = ", ".join(f"{name} ({area:.2f})" for area, name in self.telling)
        return f"{self.kind}: AUC {self.area:.2f}, p = {self.p:.4f}; most by {told}"


def judge(
    features: Mapping[int, Mapping[str, float]], kinds: Mapping[int, str], kind: str, strata: Mapping[int, int]
) -> Verdict:
    """Test by permutation whether a ridge classifier, or the best single feature, recognises this kind of task better
    than chance.

    A task is scored by a classifier trained on the other tasks.

    `strata`: chance deals the kinds within these groups of tasks. Tasks of one class come in the same grids, and gold
    items need not be of each class as often as others.
    """
    tasks = [task for task in features if task in kinds]
    names, table = matrix([features[task] for task in tasks])
    is_kind = np.array([kinds[task] == kind for task in tasks])
    of_task = np.array([strata.get(task, 0) for task in tasks])
    rng = np.random.default_rng(0)
    dealt = np.tile(is_kind, (PERMUTATIONS + 1, 1))
    for stratum in np.unique(of_task):
        places = np.flatnonzero(of_task == stratum)
        for row in dealt[1:]:
            row[places] = rng.permutation(row[places])
    design = np.column_stack([np.ones(len(table)), table])
    penalty = np.diag([0.0, *np.full(table.shape[1], RIDGE)])
    hat = design @ np.linalg.solve(design.T @ design + penalty, design.T)
    wanted = dealt.astype(float)
    left_out = wanted - (wanted - wanted @ hat) / (1 - np.diag(hat))  # closed form of leaving one out
    positive = int(is_kind.sum())
    counts = positive, len(tasks) - positive
    areas = auc((rankdata(left_out, axis=1) * dealt).sum(axis=1), *counts)
    singles = np.abs(auc(rankdata(table, axis=0).T @ wanted.T, *counts) - 0.5)
    by_one = singles.max(axis=0)
    p = 2 * min(_share_as_good(areas), _share_as_good(by_one))
    best = np.argsort(-singles[:, 0])[:4]
    return Verdict(kind, float(areas[0]), min(1.0, p), [(float(singles[at, 0] + 0.5), names[at]) for at in best])


def _share_as_good(values: np.ndarray) -> float:
    """Return the p-value of the true statistic, and of each permuted one."""
    return float((values >= values[0] - 1e-12).mean())
