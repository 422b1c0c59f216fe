"""Ask for a measurement of the encoders on the project's own labels, and read its results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import EncoderComparison, Job, LogKind, Project
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects.encoders.embedding_servers import check_encoder_choice
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of
from labeling.projects.privacy import ledger

FEWEST = 50
"""The fewest labels that tell encoders apart, a little."""
MOST_CHOICES = 10


class ComparisonRefused(StateConflict):
    """The encoders cannot be measured now; the message says why."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An encoder, and how right the project's model is with it."""

    choice: dict[str, Any]
    accuracy: Annotated[float | None, "Of models that have not learned the tested labels; null: see `problem`."] = None
    low: Annotated[float | None, "The lower end of the 95 % interval."] = None
    high: float | None = None
    tested: Annotated[int, "Tested labels."] = 0
    seconds: Annotated[float, "To encode the `labels` items.", (0, None)] = 0.0
    pool_seconds: Annotated[float, "The estimate for all items.", (0, None)] = 0.0
    problem: Annotated[str, "Why it could not be measured."] = ""


def results_of(comparison: EncoderComparison) -> list[Measured]:
    """Return the results of the encoders measured so far, in the order of the choices."""
    return [Measured(**values) for values in comparison.results]


def comparison_of(project: Project) -> EncoderComparison | None:
    """Return the project's last measurement with its job, or None. One query."""
    return EncoderComparison.objects.filter(project=project).select_related("job").first()


def is_under_way(comparison: EncoderComparison | None) -> bool:
    """Return whether the measurement waits or runs."""
    unfinished = (Job.State.WAITING, Job.State.RUNNING)
    return comparison is not None and comparison.job is not None and comparison.job.state in unfinished


def refusal(project: Project) -> str:
    """Return why the project's encoders cannot be measured, or "". At most two queries."""
    if ledger.is_private(project):
        return gettext(
            "The measurement trains on labels, and each training of a private project spends its "
            "privacy budget. So private projects choose an encoder without it."
        )
    if not project.features_generation:
        return gettext("No item is encoded yet.")
    labels = project.items.trainable().order_by()[:FEWEST].count()
    if labels < FEWEST:
        return gettext(
            "Measuring needs at least %(n)s labels of items that are not control items; there are %(labels)s."
        ) % {"n": FEWEST, "labels": labels}
    return ""


def choices_of(project: Project) -> Iterator[dict[str, Any]]:
    """Yield the encoders to measure: the project's own, and all that are set up without a further word.

    These have a default for each option, or miss only weights, of which the server or a package has some, and need no
    privacy budget. Weights from the server's folder must say themselves what they are.
    """
    yield own_choice(project)
    for encoder in encoders_for(project.kind):
        if encoder.is_private:
            continue
        missing = {name: option for name, option in encoder.options.items() if option.default is None}
        if not missing:
            yield {"name": encoder.name, "options": {}}
        elif len(missing) == 1:
            [(name, option)] = missing.items()
            there = () if option.depends_on else installed_weights()
            for weights in sorted({*there, *option.packaged()}) if option.weights else ():
                yield {"name": encoder.name, "options": {name: weights}}


def own_choice(project: Project) -> dict[str, Any]:
    """Return the project's encoder with its name, also if it has the first encoder of its kind by default."""
    return {"name": name_of(project.kind, project.encoder), "options": project.encoder.get("options", {})}


@transaction.atomic
def ask(*, project: Project, also: Sequence[Mapping[str, Any]] = ()) -> EncoderComparison:
    """Enqueue a measurement of the project's encoders, and of the choices `also`. A second call while one is under way
    returns that one.

    Raises `ComparisonRefused`, and `ValidationError` for an invalid choice.
    """
    project = Project.objects.locked(project.pk)
    if reason := refusal(project):
        raise ComparisonRefused(reason)
    comparison = comparison_of(project)
    if comparison is not None and is_under_way(comparison):
        return comparison
    choices: list[dict[str, Any]] = []
    for choice in [*choices_of(project), *({"options": {}, **check_encoder_choice(project, each)} for each in also)]:
        if choice not in choices:
            choices.append(choice)
    if len(choices) < 2:
        raise ComparisonRefused(gettext("The server has no other encoder for these items."))
    values = {"choices": choices[:MOST_CHOICES], "asked_at": timezone.now(), "measured_at": None, "results": []}
    comparison, _ = EncoderComparison.objects.update_or_create(project=project, defaults={**values, "labels_hash": ""})
    comparison.job = Job.objects.enqueue(Job.Kind.ENCODERS, project=project)
    comparison.save(update_fields=["job"])
    auditlog.record(LogKind.ENCODERS_COMPARED, project=project, after=[each["name"] for each in comparison.choices])
    return comparison
