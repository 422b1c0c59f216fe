"""Which model version picks the batches: the newest that the gate let through, or the one that a manager chose.

A choice is an event that is added and never changed: the newest one holds. It takes effect with the next batch that is
selected; what a batch was selected by is written down on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from labeling.models import ModelVersion, Project, User, VersionChoice


@dataclass(frozen=True, slots=True)
class InUse:
    """The version that picks the next batch; the newest one; the gate's; and the choice, if the first is by hand.

    A version whose files are damaged picks nothing, chosen or not, unless those of all versions are.
    """

    version: ModelVersion
    newest: ModelVersion
    by_gate: ModelVersion
    choice: VersionChoice | None

    @property
    def held_back(self) -> bool:
        """Whether the gate alone keeps the newest from being used."""
        return self.choice is None and self.newest.held_back


def in_use(project: Project) -> InUse | None:
    """None as long as there is no version. Two queries; more if the newest is held back, or files are damaged."""
    newest = project.versions.newest()
    if newest is None:
        return None
    by_gate = project.versions.passed().newest() if newest.held_back else newest
    assert by_gate is not None  # the first version has none to be worse than
    if by_gate.damaged:
        by_gate = project.versions.readable().passed().newest() or project.versions.readable().newest() or by_gate
    choice = choices(project).first()
    chosen = choice.version if choice else None
    if chosen is not None and chosen.damaged and not by_gate.damaged:
        chosen = None
    return InUse(chosen or by_gate, newest, by_gate, choice if chosen else None)


@transaction.atomic
def use(*, project: Project, version: ModelVersion, user: User) -> None:
    """Have this version pick the batches, the next one first, until another is chosen. Asked twice, it counts once."""
    _choose(project, version, user)


@transaction.atomic
def use_gate(*, project: Project, user: User) -> None:
    """Have the newest version that the gate lets through pick the batches again."""
    _choose(project, None, user)


def _choose(project: Project, version: ModelVersion | None, user: User) -> None:
    # The lock lets two managers choose one after the other.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    standing = choices(project).first()
    if (standing.version if standing else None) != version:
        VersionChoice.objects.create(project=project, version=version, user=user)


def choices(project: Project) -> QuerySet[VersionChoice]:
    """What managers chose, the newest first: that one holds."""
    return project.version_choices.select_related("version", "user").order_by("-pk")
