"""Fit encoders to a project's items: on a sample, or by a private pre-training on all texts."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import Project
from labeling.projects.privacy import ledger, pretraining
from labeling.steps.features import CHUNK, columns_of, fit_encoder, raw_contents
from labeling.steps.model_inputs import seed_for
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import store
from models_store.encoders import Encoder, EncoderSetupError
from models_store.encoders.private_lm import PrivateLm, Training
from models_store.privacy.accounting import Phase
from models_store.training import Stopped


def fit_generation(
    step: Step,
    project: Project,
    kind: type[Encoder],
    options: Mapping[str, Any],
    generation: int,
    *,
    should_give_way: Callable[[], bool],
) -> Encoder:
    """Return an encoder of this class, fitted to the project's items, and begin the files of this generation with it.

    The caller makes the generation the project's, and calls `pretraining.close_open_entries` in the same transaction.
    Raises `StepFailed` if the encoder lacks a library, or privacy budget; and `GaveWay` if a pre-training should give
    way: the next attempt continues it.
    """
    if kind.is_private:
        encoder = _pretrained(step, project, kind, options, should_give_way)
    else:
        encoder = fit_encoder(step, project, kind, options)
    files = ProjectFiles(project)
    files.root.mkdir(parents=True, exist_ok=True)
    files.forget(generation)  # a change of the encoder that was withdrawn may have left some
    encoder.save(files.encoder(generation))
    store().publish(files.encoder(generation))
    return encoder


def _pretrained(
    step: Step,
    project: Project,
    kind: type[Encoder],
    options: Mapping[str, Any],
    should_give_way: Callable[[], bool],
) -> Encoder:
    """Pre-train an encoder on all texts of the project within its privacy budget."""
    assert issubclass(kind, PrivateLm)
    report = step.progress("pre-training the encoder on the pool's texts")
    report(0)
    texts, units = _texts(project, options["unit"])
    try:
        with step.write():
            entry, config = pretraining.start(
                project=project,
                units=len(set(units)),
                configure=lambda epsilon, delta: kind.config(options, epsilon=epsilon, delta=delta),
            )
    except (ledger.BudgetSpent, ValueError) as error:
        raise StepFailed(str(error)) from error

    def watch(share: float) -> None:
        report(share)
        if should_give_way():
            raise Stopped

    training = Training(
        of=units,
        config=config,
        phases=[Phase(**phase) for phase in entry.phases],
        units=entry.labels,
        seed=seed_for(project, "pretrain", project.features_generation),
        checkpoint=(ProjectFiles(project).pretraining, f"{entry.pk} {sorted(options.items())}"),
        progress=watch,
    )
    try:
        return kind.fit(texts, **options, training=training)
    except Stopped:
        raise GaveWay from None
    except EncoderSetupError as error:
        raise StepFailed(str(error)) from error


def _texts(project: Project, unit: str) -> tuple[list[str], list[Hashable]]:
    """Return all texts that can be read, and the unit of each: its value in the column, or itself without one."""
    texts: list[str] = []
    units: list[Hashable] = []
    items = project.items.filter(encode_error="").order_by("pk")
    chosen = columns_of(items)
    for start in range(0, len(chosen), CHUNK):
        part = chosen[start : start + CHUNK]
        for item, raw in zip(part, raw_contents(project, part), strict=True):
            if isinstance(raw, str):
                value = item.data.get(unit) if unit else None
                texts.append(raw)
                units.append(item.pk if value is None else (unit, str(value)))
    return texts, units
