"""Managers correct certified labels; certificates are suspended when their ground moves.

The ground moves when classes are merged or split, when a class is added where an item may have several, or when more
labels are corrected than may be wrong. The items of a
suspended certificate are in the pool again at once; the step `finish` removes its labels.
"""

from collections import Counter

from django.db.models import F, Max, QuerySet
from django.utils import timezone

from labeling.models import (
    Batch,
    Certificate,
    CertifiedLabel,
    Correction,
    Item,
    Job,
    LogKind,
    Notice,
    NoticeKind,
    Project,
    Task,
)
from labeling.observing import auditlog

NEEDS = "Its items are in the pool again; a new audit can prove their labels."


def suspend(certificates: QuerySet[Certificate], reason: str) -> bool:
    """Suspend the certificates, which are of one project: their labels count no longer, and their items are open again.
    Return whether any of them stood.

    Call it after all other writes of the transaction: the audit log's chain stays locked from here to the commit.
    """
    standing = certificates.filter(suspended_at__isnull=True).exclude(digest="")
    suspended = list(standing.select_related("project").select_for_update(no_key=True, of=("self",)).order_by("number"))
    if not standing.update(suspended_at=timezone.now(), suspended_for=f"{reason} {NEEDS}"[:500]):
        return False
    project = suspended[0].project
    Job.objects.enqueue(Job.Kind.FINISH, project=project)
    for each in suspended:
        Notice.objects.tell_members(NoticeKind.CERTIFICATE_SUSPENDED, project, number=each.number)
    with auditlog.in_its_own_right():
        for each in suspended:
            kind, subject = LogKind.CERTIFICATE_SUSPENDED, f"certificate {each.number}"
            auditlog.record(kind, project=each.project, subject=subject, after={"reason": reason})
    return True


def class_changed(project: Project, index: int, reason: str) -> None:
    """Suspend the certificates that have labels of this class; all, if each label says yes or no to each class."""
    if project.asks.per_class:
        suspend(project.certificates.all(), reason)
        return
    certifying = CertifiedLabel.objects.certifying().filter(certificate__project=project)
    of_class = certifying.filter(project.asks.holding("value", [index]))
    suspend(Certificate.objects.filter(pk__in=of_class.order_by().values("certificate").distinct()), reason)


def corrected(item: Item) -> None:
    """Suspend the item's certificate if managers have corrected more of its labels than it allows to be wrong."""
    label = CertifiedLabel.objects.certifying().filter(item=item).select_related("certificate__audit__project").first()
    if label is None:
        return
    certificate = label.certificate
    audit, project = certificate.audit, certificate.audit.project
    corrections = Correction.objects.standing().filter(item__certified_label__certificate=certificate)
    pairs = [
        (project.follow(value), project.follow(right))
        for value, right in corrections.values_list("item__certified_label__value", "value")
    ]
    if audit.each_class:
        about = Counter(index for pair in pairs for index in project.asks.wrong_classes(*pair))
        wrong = max(about.values(), default=0)
    else:
        wrong = sum(project.asks.is_wrong(*pair, within=audit.within) for pair in pairs)
    if wrong > certificate.most_wrong:
        about_class = " about one class" if audit.each_class else ""
        reason = (
            f"{wrong:,} of its labels were corrected{about_class}, and it proves that at most "
            f"{certificate.most_wrong:,} are wrong."
        )
        suspend(Certificate.objects.filter(pk=certificate.pk), reason)


def task_to_correct(item: Item) -> Task | None:
    """Return a new task for a certified item that no batch has taken; None if there is no certified label.

    A label by people needs a task, which counts it. The task belongs to the newest finished batch and asks no person.
    """
    if not CertifiedLabel.objects.standing().filter(item=item, item__task=None).exists():
        return None
    done = Batch.objects.filter(project=item.project_id, state=Batch.State.DONE).order_by("-number")
    batch = done.select_for_update(no_key=True, of=("self",)).select_related("project").first()
    if batch is None:
        return None
    last = batch.tasks.aggregate(n=Max("rank"))["n"]
    Batch.objects.filter(pk=batch.pk).update(size=F("size") + 1)
    return Task.objects.create(
        batch=batch,
        item=item,
        rank=0 if last is None else last + 1,
        selection=batch.selection,
        asked=True,
        free=0,
        outstanding=0,
    )


def drop_unasked(task: Task) -> None:
    """Remove a task of `task_to_correct` whose correction was withdrawn: the item is as it was before."""
    asked = task.annotations.exists() or task.assignments.exists()
    if asked or task.item_id is None or Task.objects.filter(repeats=task.item_id).exists():
        return
    Batch.objects.filter(pk=task.batch_id).update(size=F("size") - 1)
    task.delete()
