"""Issue certificates: write the proven labels, and a file that says how they were proven.

Labels are written in parts, and count once the certificate has its digest. The next step after a kill removes what the
killed one wrote.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db.models import Max
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.finishing.audits import Outcomes, plan_of
from labeling.finishing.candidates import Candidates, load
from labeling.finishing.certifying.proof import Proof
from labeling.loop.step import Step
from labeling.models import (
    Annotation,
    Audit,
    Certificate,
    CertifiedLabel,
    ClassChange,
    Correction,
    Event,
    EventType,
    LogKind,
    Project,
    Task,
)
from labeling.observing import auditlog
from labeling.outgoing import documents
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import among, insert_many
from labeling.storage.disk.files import sha256_of_file
from labeling.storage.shared_files import read_whole, store

PART = 1500
"""Labels per transaction: other writers wait for its end."""

CHUNK = 1000
FORMAT = 1
METHOD = "bets on weighted draws without replacement; nested sets in a fixed sequence (docs/explanation/certifying.md)"
AUDIT_FIELDS = (
    "attempt", "of_class", "each_class", "class_revision", "pool_size", "pool_rows", "error", "confidence", "within",
    "people_error", "target_share", "target_constant", "risk", "missed", "bets", "sizes", "expected", "seed",
)  # fmt: skip
PROOF_FIELDS = ("labels", "most_wrong", "last_stratum", "threshold", "asked", "found", "evidence")


def issue(step: Step, audit: Audit, proof: Proof, outcomes: Outcomes) -> Certificate | None:
    """Certify the labels of the proven set whose items no batch has taken, and end the audit.

    Returns None if the audit has ended meanwhile, if classes have changed, or if no label is left to certify.
    """
    candidates = load(audit)
    end = int(plan_of(audit).ends[proof.last])
    certificate = Certificate(
        project=audit.project,
        audit=audit,
        labels=0,
        most_wrong=proof.most_wrong,
        last_stratum=proof.last,
        threshold=float(candidates.probabilities[end - 1]),
        asked=proof.asked,
        found=proof.found,
        evidence=proof.evidence,
    )
    with step.write():
        last = audit.project.certificates.aggregate(n=Max("number"))["n"] or 0
        certificate.number = last + 1
        certificate.save()
    certificate.labels = _write_labels(step, certificate, candidates, end)
    certificate.most_wrong = min(proof.most_wrong, certificate.labels)
    if not certificate.labels:
        return None
    documents.write_file(certificate, documents.document_of(_document(certificate, candidates, outcomes)))
    with step.write():
        # Serialises with changes of classes, which suspend certificates.
        Project.objects.select_for_update(no_key=True).get(pk=audit.project_id)
        asking = Audit.objects.asking().filter(pk=audit.pk)
        if classes_changed(audit) or not asking.update(state=Audit.State.PROVEN, ended_at=timezone.now()):
            return None
        certificate.save(update_fields=["labels", "most_wrong", "size", "digest"])
        Event.objects.announce(EventType.CERTIFICATE_ISSUED, audit.project, number=certificate.number)
        after = {"labels": certificate.labels, "sha256": certificate.digest}
        subject = f"certificate {certificate.number}"
        auditlog.record(LogKind.CERTIFICATE_ISSUED, project=audit.project, subject=subject, after=after)
    return certificate


def classes_changed(audit: Audit) -> bool:
    """Return whether classes have changed since the audit was planned, so that its labels mean something else."""
    moved = [ClassChange.Kind.MERGED, ClassChange.Kind.SPLIT]
    if audit.project.asks.per_class:
        moved += [ClassChange.Kind.ADDED, ClassChange.Kind.RESTORED]  # a label says no to each class that it lacks
    return audit.project.class_changes.filter(revision__gt=audit.class_revision, kind__in=moved).exists()


def sweep(step: Step, project: Project) -> None:
    """Remove what a killed step left of audits and certificates, and the labels of suspended certificates."""
    for audit in project.audits.filter(state=Audit.State.PLANNING):
        discard(audit)
    for certificate in project.certificates.exclude(pk__in=Certificate.objects.standing().order_by().values("pk")):
        keys = list(certificate.certified_labels.values_list("pk", flat=True))
        for part in in_parts(keys, PART, uncontended=True):
            with step.write():
                CertifiedLabel.objects.filter(pk__in=among(part)).delete()
        if not certificate.digest:
            discard(certificate)


def discard(row: Audit | Certificate) -> None:
    """Remove the row's file, then the row."""
    store().remove(ProjectFiles(row.project).owned(row))
    row.delete()


def _write_labels(step: Step, certificate: Certificate, candidates: Candidates, end: int) -> int:
    """Write the labels of the first `end` candidates whose items are still in the pool. Return their number."""
    project = certificate.project
    report = step.progress("writing certified labels")
    distinct, which = np.unique(candidates.values[:end], axis=0, return_inverse=True)
    texts = [json.dumps(project.follow(project.asks.whole(value))) for value in distinct.tolist()]
    which = which.reshape(-1)  # NumPy 2.0 gives it a second axis
    names = ("item", "certificate", "value", "probability")
    written = 0
    for part in in_parts(range(end), PART, uncontended=True):
        keys = candidates.items[part.start : part.stop].tolist()
        values = which[part.start : part.stop].tolist()
        probabilities = candidates.probabilities[part.start : part.stop].tolist()
        # Outside the transaction, for which other writers wait. A label that an item gets meanwhile takes precedence.
        pool = project.items.unlabeled().filter(certified_label__isnull=True, pk__in=among(keys))
        free = set(pool.values_list("pk", flat=True))
        rows = zip(keys, values, probabilities, strict=True)
        labels = [(key, certificate.pk, texts[value], chance) for key, value, chance in rows if key in free]
        with step.write():
            insert_many(CertifiedLabel, names, labels)
        written += len(labels)
        report(part.stop / end)
    return written


def _document(certificate: Certificate, candidates: Candidates, outcomes: Outcomes) -> dict[str, Any]:
    audit, project, version = certificate.audit, certificate.project, certificate.audit.version
    path = ProjectFiles(project).owned(audit)
    classes = project.classes.order_by("index").values_list("index", "name")
    return {
        "format": FORMAT,
        "method": METHOD,
        "project": project.slug,
        "certificate": certificate.number,
        "issued_at": certificate.issued_at,
        "statement": f"With a confidence of {audit.confidence:.1%}, at most {certificate.most_wrong:,} of these "
        f"{certificate.labels:,} labels are wrong{_about(audit)}.",
        "assumption": f"People take a wrong label for a right one in at most {audit.missed:.2%} of cases, each "
        "independently of the others.",
        "question": {"kind": project.question, "classes": {str(index): name for index, name in classes}},
        "model": {
            "version": version.number,
            "digest": version.digest,
            "calibration": version.calibration_at(audit.created_at),
        },
        "candidates": {
            "file": str(audit.file_name),
            "number": len(candidates),
            "sha256": read_whole(path, sha256_of_file),
        },
        "plan": {name: getattr(audit, name) for name in AUDIT_FIELDS} | {"planned_at": audit.created_at},
        "proof": {name: getattr(certificate, name) for name in PROOF_FIELDS},
        "draws": list(_draws(audit, candidates, outcomes)),
    }


def _about(audit: Audit) -> str:
    """Return the end of the statement: what a wrong label is, where an item has any number of classes."""
    if audit.each_class:
        return " about any one class: for each class by itself, they give the class to an item or they do not"
    return " about one class or more" if audit.project.asks.per_class else ""


def _draws(audit: Audit, candidates: Candidates, outcomes: Outcomes) -> Iterator[dict[str, Any]]:
    """Yield the draws that count: the item, the model's value, who answered what, and the outcome."""
    project = audit.project
    for start in range(0, len(outcomes.ranks), CHUNK):
        ranks = outcomes.ranks[start : start + CHUNK]
        keys = candidates.items[ranks].tolist()
        items = project.items.filter(pk__in=among(keys))
        names = dict(items.values_list("pk", "external_id"))
        answers = _answers(items)
        for place, (key, rank) in enumerate(zip(keys, ranks.tolist(), strict=True), start):
            yield {
                "place": place,
                "rank": rank,
                "item": names.get(key),
                "value": project.follow(project.asks.whole(candidates.values[rank].tolist())),
                "probability": float(candidates.probabilities[rank]),
                "answers": answers[key],
                "wrong": bool(outcomes.against[place]),
                **_wrong_about(audit, outcomes, place),
            }


def _wrong_about(audit: Audit, outcomes: Outcomes, place: int) -> dict[str, list[int]]:
    """Return the classes about which people found a draw wrong, by index; nothing if the audit proves whole labels."""
    if not audit.each_class:
        return {}
    about = zip(outcomes.classes, outcomes.wrong[place], strict=False)  # the last column stands for all other classes
    return {"wrong_about": [index for index, wrong in about if wrong]}


def _answers(items: Any) -> dict[int, list[dict[str, Any]]]:
    """Return the standing answers, skips and corrections by item, each with its author and time."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    given = Annotation.objects.deciding(with_skips=True).filter(task__in=Task.objects.of_items(items))
    rows = given.order_by("created_at", "pk").annotate(key=Coalesce("task__item", "task__repeats"))
    for key, user, value, at, prompted in rows.values_list(
        "key", "user__username", "value", "created_at", "task__prompted"
    ):
        found[key].append({"annotator": user, "value": value, "at": at, "saw_prediction": prompted})
    corrections = (
        Correction.objects.standing()
        .filter(item__in=items)
        .values_list("item", "user__username", "value", "created_at")
    )
    for key, user, value, at in corrections:
        found[key].append({"corrected_by": user, "value": value, "at": at})
    return found
