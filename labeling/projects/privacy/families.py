"""Families of projects: projects with the same labels share one privacy ledger, for all their trainings saw the labels.

A project that copies or imports labels joins the family of the project that they come from, for good.
"""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from labeling.models import ItemImport, LabelFamily, ModelVersion, PrivateTraining, Project
from labeling.models.projects import ProjectQuerySet


def lock() -> None:
    """Keep other transactions from changing a family or starting a private training until this transaction ends.

    Call it before the transaction locks a project. SQLite needs no lock: it has one writer at a time.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'LOCK TABLE "{LabelFamily._meta.db_table}" IN EXCLUSIVE MODE')


def others(project: Project) -> ProjectQuerySet:
    """Return the other projects that hold the same labels, deleted ones too."""
    if project.family_id is None:
        return Project.objects.none()
    return Project.objects.filter(family=project.family_id).exclude(pk=project.pk)


@transaction.atomic
def join(*, project: Project, sources: Iterable[int]) -> None:
    """Merge the families of the project and of the `sources` (ids of projects) into one."""
    joined = Project.objects.filter(pk__in=[project.pk, *sources])
    if _is_one(joined):  # the usual case: a long import calls this for each part
        return
    lock()
    families = sorted({pk for pk in joined.values_list("family", flat=True) if pk is not None})
    kept = families[0] if families else LabelFamily.objects.create().pk
    Project.objects.filter(Q(pk__in=joined.values("pk")) | Q(family__in=families)).update(family=kept)
    for merged in LabelFamily.objects.filter(pk__in=families[1:]):
        _add_removed_trainings(kept, merged.removed_trainings, merged.removed_phases, flaw=merged.removed_flaw)
        merged.delete()
    project.family_id = kept


@transaction.atomic
def leave(project: Project) -> None:
    """Take a project that is being erased out of its family. The family keeps the privacy that the project spent."""
    project.refresh_from_db(fields=["family"])
    if project.family is None:  # no lock needed: no project joins an erased one
        return
    lock()
    project.refresh_from_db(fields=["family"])
    family = project.family
    Project.objects.filter(pk=project.pk).update(family=None)
    if Project.objects.filter(family=family).exists():
        phases = list(PrivateTraining.objects.filter(project=project).order_by("pk").values_list("phases", flat=True))
        flaw = has_flaw(Project.objects.filter(pk=project.pk))
        _add_removed_trainings(family.pk, len(phases), [phase for training in phases for phase in training], flaw=flaw)
    else:
        family.delete()


def has_flaw(projects: QuerySet[Project]) -> bool:
    """Return whether one of these projects has used labels outside its ledger. Takes two queries.

    It has if it trained a model without privacy, or trained a private model after an import that repeated labels.
    """
    open_versions = ModelVersion.objects.without_privacy().filter(project__in=projects)
    repeated = ItemImport.objects.repeated().filter(
        project__in=projects, project__private_trainings__created_at__gt=F("created_at")
    )
    return open_versions.exists() or repeated.exists()


def _is_one(projects: QuerySet[Project]) -> bool:
    families = set(projects.values_list("family", flat=True))
    return len(families) == 1 and None not in families


def _add_removed_trainings(family: int, trainings: int, phases: list[dict[str, float]], *, flaw: bool) -> None:
    """Add the trainings of a removed project to the family's account of removed projects."""
    kept = LabelFamily.objects.get(pk=family)
    LabelFamily.objects.filter(pk=family).update(
        removed_trainings=F("removed_trainings") + trainings,
        removed_phases=[*kept.removed_phases, *phases],
        removed_flaw=kept.removed_flaw or flaw,
    )
