"""The model version that picks batches: the newest that passed the gate, or the version that a manager chose.

Each choice is a new row, and the newest row counts, from the next selection on. A batch records the version that picked
it.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from labeling.models import LogKind, ModelVersion, PredictionSet, Project, User, VersionChoice
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog


@dataclass(frozen=True, slots=True)
class InUse:
    """The `version` that picks the next batch, the `newest` version, the version `by_gate`, and the manager's `choice`,
    if that determines `version`.

    A version with damaged files picks no batch, unless the files of all versions are damaged. Nor does a version that
    learned from an earlier encoder.
    """

    version: ModelVersion
    newest: ModelVersion
    by_gate: ModelVersion
    choice: VersionChoice | None

    @property
    def held_back(self) -> bool:
        """Whether the gate held the newest version back, and no manager's choice counts."""
        return self.choice is None and self.newest.held_back


def in_use(project: Project) -> InUse | None:
    """Return the versions in use; None without a version. Takes two queries; more if a version is held back or
    damaged.
    """
    newest = project.versions.newest()
    if newest is None:
        return None
    versions = project.versions.filter(number__gte=project.encoder_since)
    by_gate = versions.passed().newest() if newest.held_back else newest
    assert by_gate is not None  # the first version with an encoder always passes the gate
    if by_gate.damaged:
        by_gate = versions.readable().passed().newest() or versions.readable().newest() or by_gate
    choice = choices(project).first()
    chosen = choice.version if choice else None
    if chosen is not None and (is_outdated(project, chosen) or (chosen.damaged and not by_gate.damaged)):
        chosen = None
    return InUse(chosen or by_gate, newest, by_gate, choice if chosen else None)


def unpredicted(project: Project, version: ModelVersion) -> int:
    """Return the number of unlabeled items that the version cannot predict, and so never picks: those behind the last
    one that predictions from outside cover. Takes a query for such predictions, another if they do not cover the pool.
    """
    if not version.is_given:
        return 0
    rows = PredictionSet.objects.filter(version=version).values_list("rows", flat=True).first()
    if rows is None or rows >= project.encoded_rows:
        return 0
    return project.items.unlabeled().filter(row__gte=rows).count()


def is_outdated(project: Project, version: ModelVersion) -> bool:
    """Return whether the version learned from an earlier encoder, so that it cannot read the project's features."""
    return version.number < project.encoder_since


class VersionOutdated(StateConflict):
    """The version learned from an earlier encoder and cannot pick batches; the message says so."""


@transaction.atomic
def use(*, project: Project, version: ModelVersion, user: User) -> None:
    """Choose this version to pick batches from the next selection on. A second call changes nothing.

    Raises `VersionOutdated`.
    """
    if is_outdated(project, version):
        raise VersionOutdated(
            gettext(
                "Version %(number)s learned from an earlier encoder: only versions from "
                "%(first)s on can read the features of the present one."
            )
            % {"number": version.number, "first": project.encoder_since}
        )
    _choose(project, version, user)


@transaction.atomic
def use_gate(*, project: Project, user: User) -> None:
    """Let the newest version that passed the gate pick batches again."""
    _choose(project, None, user)


def _choose(project: Project, version: ModelVersion | None, user: User) -> None:
    """Store the chosen version, None for the automatic choice, unless it is chosen already."""
    # The lock serialises the choices of two managers.
    Project.objects.locked(project.pk)
    standing = choices(project).first()
    if (standing.version if standing else None) != version:
        VersionChoice.objects.create(project=project, version=version, user=user)
        after = {"version": version.number if version else "by the gate"}
        auditlog.record(LogKind.VERSION_CHOSEN, project=project, after=after)


def choices(project: Project) -> QuerySet[VersionChoice]:
    """Return the managers' choices, the newest first, which counts."""
    return project.version_choices.select_related("version", "user").order_by("-pk")
