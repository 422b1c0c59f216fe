"""The confusion matrix of a model version, as a table; each number links to its items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.urls import reverse
from django.utils.translation import gettext

from labeling.insight.control_slice import ControlSlice
from labeling.models import ModelVersion, Project
from labeling.web.shared.words import number, percent
from models_store import metrics

# The most classes in a matrix, and the most mistakes in the list that replaces a larger matrix.
SIDE, LISTED = 20, 30
# Column names are rotated if there are more than UPRIGHT or longer ones than SHORT, because the matrix would be too
# wide.
UPRIGHT, SHORT = 6, 4
# The shades of a cell, by its share of the row.
SHADES = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """The control items of one class that the model predicts as one class. `shade`: 1 to SHADES, or 0 for no items."""

    n: str
    share: str
    means: str
    url: str
    shade: int
    right: bool


def confusion_of(project: Project, version: ModelVersion, control: ControlSlice) -> dict[str, Any]:
    """Return the matrix of the occurring classes, or for many classes the most frequent mistakes.

    Takes one query. Returns nothing for a version without stored predictions.
    """
    confusion = control.confusion(version)
    if confusion is None:
        return {}
    truth, predicted, k = confusion.truth, confusion.predicted, len(confusion.classes)
    if k <= SIDE:
        counts = metrics.confusion(truth, predicted, k)
        pairs = [(i, j, int(counts[i, j])) for i in range(k) for j in range(k)]
    else:
        pairs = metrics.confused_pairs(truth, predicted, limit=LISTED)
    indices = {place: int(confusion.classes[place]) for i, j, _ in pairs for place in (i, j)}
    called = project.answer_names(indices.values())
    names = {place: called.get(index, str(index)) for place, index in indices.items()}
    of = np.bincount(truth, minlength=k)
    cells = {(i, j): _cell(project, version, names[i], names[j], n, int(of[i])) for i, j, n in pairs}
    if k > SIDE:
        mistakes = [{"truth": names[i], "predicted": names[j], "cell": cell} for (i, j), cell in cells.items()]
        left = len(np.unique(truth * k + predicted)) - len(np.unique(truth[truth == predicted])) - len(mistakes)
        return {"mistakes": mistakes, "left": left}
    return {
        "columns": [names[j] for j in range(k)],
        "turned": k > UPRIGHT and max(map(len, names.values())) > SHORT,
        "rows": [{"name": names[i], "cells": [cells[i, j] for j in range(k)]} for i in range(k)],
    }


def _cell(project: Project, version: ModelVersion, truth: str, predicted: str, n: int, of: int) -> Cell:
    if not n:
        return Cell("", "", "", "", 0, truth == predicted)
    query = {"label": truth, "predicted": f"{version.number}:{predicted}", "control": "true"}
    share = percent(n / of)
    return Cell(
        n=number(n),
        share=share,
        means=gettext("%(n)s of %(of)s %(truth)s predicted as %(predicted)s, %(share)s")
        % {"n": number(n), "of": number(of), "truth": truth, "predicted": predicted, "share": share},
        url=reverse("project-items", args=[project.slug], query=query),
        shade=max(1, round(SHADES * n / of)),
        right=truth == predicted,
    )
