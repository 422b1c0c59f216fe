"""The settings of a project, each declared once, in the order of the pages.

Forms, pages, the API, `create_project`, copies of projects, examples and the reference read these declarations.
To add a setting, add a field to `labeling.models.project_settings` and a `Setting` here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Field

from labeling.models import LogKind, Project
from labeling.observing import auditlog
from selector.strategies import STRATEGIES


def _copies_can_be_shown(project: Project) -> bool:
    """Return whether the project offers near-copies or shows some, because a manager must still be able to set them to
    0.
    """
    return project.can_show_copies or project.near_copies > 0


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with a field on a page of settings.

    Parameters
    ----------
    name: the field of the project.
    label, help: the texts of the page. Commands and the API have the help text of the field.
    offered: whether the pages of this project have the setting.
    has_consequence: whether `labeling.web.settings.consequences` depends on the setting.
    """

    name: str
    label: str
    help: str
    offered: Callable[[Project], bool] = lambda project: True
    has_consequence: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A page of settings of the project, or of the settings of the trainer, with at most twelve fields.

    Parameters
    ----------
    name: of the page, in its address.
    leads_to: the consequences that the page shows, by their keys in `labeling.web.settings.consequences`.
    trainer: names of fields of `TrainConfig`, for experts.
    """

    name: str
    title: str
    settings: tuple[Setting, ...] = ()
    leads_to: tuple[str, ...] = ()
    trainer: tuple[str, ...] = ()


SECTIONS = (
    Section("usual", "Usual settings", (
        Setting("batch_size", "Batch size",
                "The model is retrained after this many answers. Small batches teach it sooner; large ones keep "
                "people busy longer between trainings."),
        Setting("overlap", "Overlap",
                "How many people answer each item. With 2 or more, their agreement is measured, and each label costs "
                "that many answers."),
        Setting("show_predictions", "Show annotators what the model predicts",
                "On half of the tasks, from the next batch on. Labeling is quicker, but people tend to agree with "
                "what they see, so only control items in the other half measure accuracy."),
        Setting("show_suggestions", "Show annotators the suggestions that items came with",
                "Suggestions come from the column “suggestion” of an import. They appear on half of the tasks, and "
                "take precedence over predictions. Models do not train on them."),
        Setting("grids", "Ask about many items at once",
                "Annotators see up to 60 items of one class, mark the wrong ones and confirm the rest. Where the "
                "question is which class, this needs predictions or suggestions.",
                offered=attrgetter("can_show_grids"), has_consequence=False),
        Setting("class_proposals", "Let annotators propose classes",
                "Annotators who skip an item because no class fits can name the missing class. You accept or dismiss "
                "the names on the classes page.",
                offered=lambda project: not project.asks.fixed_classes, has_consequence=False),
        Setting("control_share", "Control share",
                "This share of each batch, 0.1 for one item in ten, is drawn at random and kept out of training: "
                "accuracy is measured on it alone. A larger share applies to items that are imported later. With 0, "
                "accuracy is not measured."),
        Setting("hourly_cost", "Cost of an hour",
                "What an hour of labeling costs you. Used to estimate the cost of each setting."),
        Setting("currency", "Currency",
                "For example EUR."),
    ), leads_to=(
        "size", "share", "answers", "wrong", "hours", "cost", "done", "certainty", "rounds", "all-hours",
        "all-cost",
    )),
    Section("batch", "The batch", (
        Setting("strategy", "Strategy",
                "How the rest of a batch is picked. There is no model for the first batch: up to 200 of its items are "
                "ones that many others are like, and the rest is drawn at random; uniform draws all at random. "
                f"{' and '.join(each.title for each in STRATEGIES.values() if each.compares_all)} compare the whole "
                "pool once for each item picked: with large batches, people wait for them. Only uniform picks are a "
                "fair sample of the pool."),
        Setting("candidate_factor", "Candidate factor",
                "For Cluster-Margin: the candidates are the items that the model is least sure of, this many times "
                "the batch size. With larger values the batch is more varied and less uncertain. If empty, there "
                "are as many candidates as it takes to pick each item from a different cluster, which suits most "
                "pools."),
        Setting("mean_cluster_size", "Mean cluster size",
                "For Cluster-Margin: items that look alike to the model form clusters of about this size. Larger "
                "clusters keep near-duplicates further apart."),
        Setting("class_guard", "Class guard",
                "The most of a batch that one predicted class may fill, as a multiple of its even share. With 10 "
                "classes, 3 allows 30 of 100 items. If empty, there is no limit."),
        Setting("pick_ahead", "Share given out before the next batch is picked",
                "Once this share of a batch is handed out, 0.9 for nine of ten, the next batch is picked, so that "
                "no annotator waits for a training. Items that no annotator has yet are picked again with the "
                "newer model. If empty, people wait for the newest model.",
                has_consequence=False),
        Setting("replace_skips", "Replace items that all annotators skip",
                "A similar item joins the open batch for each item that all annotators skip, for up to a fifth of "
                "the batch. The batch does not wait for it.",
                has_consequence=False),
        Setting("deadline_hours", "Deadline, in hours",
                "Hours after opening at which a batch may end before its last answer. Unanswered items go back to "
                "the pool. If empty, there is no deadline."),
        Setting("complete_share", "Share that must be answered",
                "The deadline ends the batch only if this share of the answers is in, 0.9 for nine of ten."),
    ), leads_to=("candidates", "highest-margin", "mean-margin", "clusters", "largest", "first-pass", "deadline")),
    Section("answers", "Checking answers", (
        Setting("overlap_max", "Maximum answers per item",
                "One more person is asked, up to this many, while an item's label is in doubt. Reliable people are "
                "asked alone. If empty, every item gets the same number of answers."),
        Setting("label_confidence", "Required probability",
                "A label is settled once it is right with this probability, by how often each person agrees with "
                "others. Nearer to 1, more people are asked."),
        Setting("resolving", "How answers become a label",
                "Majority: the most frequent answer. Dawid–Skene: learns which classes each person confuses; needs "
                "some dozens of answers for each class and person. A tie has no label and waits for a manager.",
                has_consequence=False),
        Setting("gold_share", "Gold share",
                "Gold items have a known answer and measure how often each person is right. 0.05 adds one for every "
                "twenty tasks. Choose them in the list of items, or import them with a column “gold”."),
        Setting("gold_threshold", "Pause people who are right less often than",
                "Pauses people whose answers to gold items are almost certainly right less often than this, 0.8 "
                "for four of five, until a manager has looked. If empty, no person is paused.",
                has_consequence=False),
        Setting("review_share", "Share of answers to review",
                "This share of every person's answers, 0.05 for one in twenty, is drawn at random for reviewers. With "
                "0, reviewers get only doubtful items.",
                has_consequence=False),
    ), leads_to=("answers", "wrong", "hours", "cost", "done", "all-hours", "all-cost")),
    Section("handing-out", "Handing out items", (
        Setting("lease_seconds", "Lease, in seconds",
                "People who answer nothing for this long may lose the items they hold to others who have none left."),
        Setting("kept_ready", "Items kept ready",
                "Each annotator's page loads this many items ahead, 10 to 200, and continues with them without a "
                "network. A person then holds at most this many or a tenth of the batch. The page keeps fewer "
                "ready if the person could not answer them within the lease, so lengthen the lease too. Others who "
                "have no items left get a share of those that a person holds and does not answer."),
        Setting("daily_limit", "Daily answers per person",
                "People who reach this number of answers get no more items until midnight, UTC. A member can have "
                "another limit: see Members. If empty, there is no limit.",
                has_consequence=False),
    ), leads_to=("ready",)),
    Section("near-copies", "Near-copies", (
        Setting("near_copies", "Maximum near-copies per item",
                "Annotators see up to this many near-copies beside each item and take out those that differ. The "
                "others get the same label. There are none in the first batch, nor with strategies that do not use "
                "clusters. 0: none, and models train on none.",
                offered=_copies_can_be_shown),
    ), leads_to=("copies",)),
    Section("privacy", "Privacy", (
        Setting("privacy_epsilon", "Privacy budget ε",
                "With a budget, noise in every training hides the answer to any one item from those who see the "
                "models. 1 hides a lot and needs thousands of labels, 8 hides some and needs many hundreds. "
                "Trainings stop when it is spent. If empty, trainings are not private."),
        Setting("privacy_delta", "Chance of failure δ",
                "The chance that the guarantee fails: keep it well below one in the number of labels."),
        Setting("privacy_trainings", "Trainings that share it",
                "The budget is divided among this many trainings, one for each batch. With fewer, each learns more "
                "from larger batches."),
        Setting("privacy_noise", "Noise of each training",
                "Noise added to each sum of gradients, in clipping norms. Trainings continue while the budget "
                "lasts. If empty, the noise is what dividing the budget needs."),
    ), leads_to=("privacy",)),
    Section("steps", "Training steps", trainer=(
        "epochs", "batch_size", "batch_growth", "min_steps", "max_steps", "max_seconds", "learning_rate",
        "warmup_share", "weight_decay", "validation_share", "patience", "warm_start",
    )),
    Section("learning", "What the network learns", trainer=(
        "loss", "label_smoothing", "class_balance", "secondary", "secondary_weight", "temperature",
        "calibration_labels", "soft_labels", "learns_from", "private_layers", "augment",
    )),
)  # fmt: skip

ON_PAGE = {setting.name: setting for section in SECTIONS for setting in section.settings}
# The model and the training have forms of their own; the loop is set on the overview.
SETTINGS = (*ON_PAGE, "model", "training", "loop")
# Texts for annotators. A change holds at once; a change of a setting holds from the next batch on.
TEXTS = ("name", "prompt", "guidelines")


def field_of(name: str) -> Field[Any, Any]:
    """Return the model's field of this setting."""
    field = Project._meta.get_field(name)
    assert isinstance(field, Field)
    return field


def differs(project: Project, name: str) -> bool:
    """Whether the setting has another value than in a new project of the same kind and question."""
    if name == "grids":
        return project.grids != starts_with_grids(project)
    return bool(getattr(project, name) != field_of(name).get_default())


def starts_with_grids(project: Project) -> bool:
    """Whether a new project like this one asks about many items at once."""
    return project.asks.proposes and project.can_show_grids


def default_of(name: str) -> Any:
    """Return the value of the setting in a new project, as JSON has it."""
    default = field_of(name).get_default()
    return default.value if isinstance(default, Enum) else default


@contextmanager
def recording_changes(project: Project, names: Collection[str]) -> Iterator[None]:
    """Record what the block changes in these fields of the project, as one entry, in the transaction of the block."""
    rows = Project.objects.filter(pk=project.pk)
    with transaction.atomic():
        before = rows.values(*names).get()
        with auditlog.part_of_one():
            yield
        after = rows.values(*names).get()
        changed = [name for name in names if before[name] != after[name]]
        if changed:
            old, new = ({name: values[name] for name in changed} for values in (before, after))
            subject = ", ".join(sorted(changed))
            auditlog.record(LogKind.SETTINGS_CHANGED, project=project, subject=subject, before=old, after=new)


@contextmanager
def errors_of(field: str) -> Iterator[None]:
    """Turn a `ValidationError` that the block raises into one about this field, beside which a form shows it."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error
