"""The endpoint with the figures about near-copies."""

from __future__ import annotations

from typing import Any

from labeling.api.projects.agreement import RightFigures
from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.insight.copy_figures import copy_values
from labeling.models import Ability
from labeling.storage.db.replica import reads


class ClassCopiesFigures(fields.Shape):
    """The figures for the near-copies with one class as their label."""

    name = fields.Text()
    propagated = fields.Count("Near-copies that have it as their label.")
    right = RightFigures(help_text="Of the checked ones, those that people gave it too.")


class CopiesSerializer(fields.Shape):
    """The number of near-copies, of labels propagated to them, and of checks that confirm these labels."""

    shown = fields.Count("Near-copies that were chosen to be shown.")
    answered = fields.Count("Of these, near-copies that at least one person saw.")
    same = fields.Count("Of these, near-copies that no person took out.")
    propagated = fields.Count("Near-copies that have the label of their source.")
    due = fields.Count("Checks that wait for a batch.")
    right = RightFigures(help_text="Of the checked ones, those that people gave their source's label.")
    radius = fields.Float(
        "The greatest distance at which near-copies get the label of their source; null if none gets it yet.",
        allow_null=True,
    )
    reach = fields.Float("The greatest distance at which near-copies are shown.", allow_null=True)
    classes = ClassCopiesFigures(many=True)


class NearCopies(ProjectView):
    """Return how many near-copies have the label of their source, and how many checks confirm these labels."""

    reading = Ability.LABELS_READ

    @reads()
    @answers(CopiesSerializer)
    def get(self) -> dict[str, Any]:
        return copy_values(self.project)
