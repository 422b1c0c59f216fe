"""Copy a project: its settings, classes and guidelines with their images; on request its items, labels and members.

The request creates the new project, and the worker copies the items (`labeling.intake.copying`). Models are not copied.
A complete copy does not depend on the original: either can be deleted. Projects with the same labels share a privacy
ledger (`labeling.projects.privacy.families`).
"""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from labeling.models import ItemImport, Job, LabelClass, LogKind, Membership, Project, User
from labeling.observing import auditlog
from labeling.projects import quota
from labeling.projects.classes import guidelines, guidelines_images
from labeling.projects.create import create_project
from labeling.projects.people.members import check_room
from labeling.projects.privacy import families
from labeling.projects.settings import SETTINGS, errors_of

# The copied fields of the project: its settings, and the fields that are set when a project is created.
COPIED = ("question", "prompt", "encoder", *(name for name in SETTINGS if name != "loop"))
DETAILS = ("description", "key", "colour", "aliases", "archived_at")
# The copied fields of a membership, beside the role.
MEMBERSHIP = ("group", "daily_limit", "paused_at", "pause_reason", "looked_at", "accuracy", "asked_in_doubt")


@transaction.atomic
def duplicate(
    *,
    project: Project,
    user: User,
    slug: str,
    name: str,
    members: bool = False,
    items: bool = False,
    labels: bool = False,
) -> Project:
    """Create a copy of the project that `user` manages.

    With `members`, the other members of the original become members of the copy, with the same roles. All copied
    members keep their group, limit and pause. With `items`, the worker copies the items that are not excluded; with
    `labels`, their labels too. Copied labels may be of any class, so `items` copies all classes with their indices;
    without `items`, archived classes are left out.

    Guidelines may show images that the original lacks: they are copied all the same (`guidelines.missing_images`).

    Raises `ValidationError` naming the field at fault, or `TooManyProjects`.
    """
    if labels and not items:
        raise ValidationError({"labels": gettext("Labels belong to items. Copy the items, too.")})
    if Project.objects.filter(slug=slug).exists():
        raise ValidationError({"slug": gettext("This short name is already in use.")})
    every = project.classes.select_related("parent")
    classes = list(every.order_by("index") if items else every.offered().order_by("position", "index"))
    copy = create_project(
        slug=slug,
        kind=project.kind,
        classes=[each.name for each in classes],
        manager=user,
        creator=user,
        settings={"name": name, **{field: getattr(project, field) for field in COPIED}},
    )
    _copy_details(classes, copy, with_position=items)
    guidelines_images.copy(project=project, into=copy)
    with auditlog.part_of_one():
        guidelines.save(project=copy, user=user, text=project.guidelines, images_may_miss=True)
    _copy_memberships(project, copy, user, others=members)
    if items:
        _have_items_copied(project, copy, user, with_labels=labels)
    if labels:  # before the worker copies the first label: a training may start in either project in the meantime
        families.join(project=copy, sources=[project.pk])
    after = {"slug": slug, "members": members, "items": items, "labels": labels}
    auditlog.record(LogKind.PROJECT_COPIED, project=project, subject=f"project {copy.pk}", after=after)
    return copy


def _copy_memberships(project: Project, copy: Project, user: User, *, others: bool) -> None:
    """Copy the `MEMBERSHIP` fields of `user`, who is a manager of the copy already.

    With `others`, make all other members of the original members of the copy.
    """
    own = project.memberships.filter(user=user).values(*MEMBERSHIP).first()
    if own is not None:  # a superuser needs no membership
        copy.memberships.filter(user=user).update(**own)
    if others:
        people = project.memberships.exclude(user=user).values("user_id", "role", *MEMBERSHIP)
        with errors_of("members"):
            check_room(copy, len(people))
        Membership.objects.bulk_create(Membership(project=copy, **each) for each in people)


def _copy_details(originals: list[LabelClass], copy: Project, *, with_position: bool) -> None:
    """Copy the `DETAILS` and the parent of each class; with `with_position`, its position too."""
    details = (*DETAILS, "position") if with_position else DETAILS
    copy.classes.update(key="")  # a key is unique at each moment of the update below
    copies = list(copy.classes.order_by("index"))
    by_index = {original.index: made for original, made in zip(originals, copies, strict=True)}
    for original, made in zip(originals, copies, strict=True):
        for field in details:
            setattr(made, field, getattr(original, field))
        made.parent = by_index.get(original.parent.index) if original.parent else None
    LabelClass.objects.bulk_update(copies, [*details, "parent"], batch_size=500)


def _have_items_copied(project: Project, copy: Project, user: User, *, with_labels: bool) -> None:
    """Enqueue the job that copies the items, if the project has items to copy."""
    copy.merged, copy.vector_length = project.merged, project.vector_length
    copy.save(update_fields=["merged", "vector_length"])
    total = project.items.kept().count()
    if total:
        with errors_of("items"):
            quota.check_room(copy, 0, items=total)
        item_import = ItemImport.objects.create(
            project=copy,
            name=f"Items of {project.name}"[:200],
            copied_from=project,
            with_labels=with_labels,
            total=total,
            created_by=user,
        )
        Job.objects.enqueue(Job.Kind.IMPORT, project=copy, cause=item_import)
