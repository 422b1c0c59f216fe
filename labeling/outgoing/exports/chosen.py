"""The rows that an export's filters choose, as queries: tasks, near-copies and certified labels."""

from typing import Any

from labeling.models import CertifiedLabel, Copy, Project
from labeling.models.certificates import CertificateQuerySet, CertifiedLabelQuerySet
from labeling.models.near_copies import CopyQuerySet
from labeling.outgoing.exports.choice import Choice
from labeling.storage.db.statements import marks, rows


def chosen_tasks(project: Project, choice: Choice) -> tuple[str, str, list[Any]]:
    """Return the chosen tasks with their `item` as parts of a statement: the tables, the condition and its values."""
    condition, values = choice.condition()
    condition = f"batch.project_id = %s AND {condition}"
    if batches := choice.get("batch"):
        condition += f" AND batch.number IN ({marks(len(batches))})"
    tables = """labeling_task task JOIN labeling_item item ON item.id = task.item_id
        JOIN labeling_batch batch ON batch.id = task.batch_id"""
    return tables, condition, [project.pk, *values, *(batches or ())]


def chosen_copies(project: Project, choice: Choice) -> CopyQuerySet:
    """Return the near-copies with propagated labels that match the filters except the filter by batch."""
    if not choice.get("copies"):
        return Copy.objects.none()
    return choice.of_unasked(Copy.objects.propagated().filter(batch__project=project), "of__labeled_at")


def chosen_certificates(project: Project, choice: Choice) -> CertificateQuerySet:
    """Return the certificates whose labels match the filters."""
    certificates = choice.of_unasked(project.certificates.standing(), "issued_at")
    return certificates if choice.get("certified") and not choice.get("batch") else certificates.none()


def chosen_labels(project: Project, choice: Choice) -> CertifiedLabelQuerySet:
    """Return the labels of the chosen certificates whose items have no task: others are rows of their batches."""
    labels = CertifiedLabel.objects.standing().filter(item__task__isnull=True)
    return labels.filter(certificate__in=chosen_certificates(project, choice).order_by().values("pk"))


def count_rows(project: Project, choice: Choice | None = None, *, at_most: int | None = None) -> int:
    """Count the rows of an export, up to `at_most` + 1 of each origin. Takes one query to three."""
    choice = choice or Choice()
    if dataset := choice.get("dataset"):
        return int(dataset.rows)
    tables, condition, values = chosen_tasks(project, choice)
    sql = f"SELECT 1 FROM {tables} WHERE {condition}"
    if at_most is not None:
        sql += " LIMIT %s"
        values.append(at_most + 1)
    [(count,)] = rows(f"SELECT COUNT(*) FROM ({sql}) counted", values)
    copies = chosen_copies(project, choice)
    if numbers := choice.get("batch"):
        copies = copies.filter(batch__number__in=numbers)
    return int(count) + copies.count() + count_certified(project, choice, at_most=at_most)


def count_certified(project: Project, choice: Choice, *, at_most: int | None = None) -> int:
    """Count the rows of certified labels, up to `at_most` + 1. Takes at most one query."""
    return chosen_labels(project, choice)[: None if at_most is None else at_most + 1].count()
