"""The table of roles and their abilities, which pages, endpoints, navigation and queries read."""

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.utils.text import get_text_list
from django.utils.translation import gettext, gettext_lazy, gettext_noop


class Ability(models.TextChoices):
    """An act that a role allows. To read and to change are separate abilities; the label is for people."""

    PROJECT_READ = "project.read", "see the project, its classes, its batches and their progress"
    PROJECT_CHANGE = "project.change", "archive, copy, delete and restore the project; create further projects"
    TASKS_ANSWER = "tasks.answer", "get tasks and answer them"
    ITEMS_READ = "items.read", "find items, with their labels, answers, comments and history"
    ITEMS_CHANGE = "items.change", "import items; exclude, delete, erase, queue and relabel many of them"
    IMPORTS_READ = "imports.read", "see imports, rejected rows, and changes of many items"
    REVIEW_READ = "review.read", "see the items that wait for a review"
    REVIEW_DO = "review.do", "settle and correct labels, write comments"
    LABELS_READ = "labels.read", "export labels; see agreement, near-copies, and versions of guidelines and classes"
    DATASETS_CHANGE = "datasets.change", "make dataset versions"
    BATCHES_READ = (
        "batches.read",
        "see how batches were picked, pace, people, payoff, certificates, and all fields of the API",
    )
    BATCHES_CHANGE = "batches.change", "start, pause and stop the loop and the goal; end, retry and assign batches"
    MODELS_READ = "models.read", "see models, predictions and the privacy ledger; download models"
    MODELS_CHANGE = (
        "models.change",
        "choose the version that picks batches, register and release versions, cluster again",
    )
    PREDICTIONS_CHANGE = "predictions.change", "have a model predict a file, remove predictions"
    SETTINGS_READ = "settings.read", "see settings and proposed classes"
    SETTINGS_CHANGE = "settings.change", "change settings, classes, guidelines and their images"
    # Not `webhooks.read`, which auditors would have: an address can hold a secret.
    WEBHOOKS_CHANGE = "webhooks.change", "see, add, change and remove webhooks, and see what they sent"
    # Likewise.
    SOURCES_CHANGE = "sources.change", "see, add, change, look at and remove sources of items"
    MEMBERS_READ = "members.read", "see members, invitations, and the parts of batches that are kept for members"
    MEMBERS_CHANGE = "members.change", "invite, pause and remove people, give roles, hand the project over"
    AUDITLOG_READ = "auditlog.read", "read the audit log: who changed what, and who exported labels, from where"

    @property
    def key(self) -> str:
        """The name in templates: `can.members_change`."""
        return self.value.replace(".", "_")


class Role(models.TextChoices):
    """A member's role in one project. The admin and forms list roles in this order."""

    ANNOTATOR = "annotator", gettext_lazy("Annotator")
    REVIEWER = "reviewer", gettext_lazy("Reviewer")
    ENGINEER = "engineer", gettext_lazy("Engineer")
    AUDITOR = "auditor", gettext_lazy("Auditor")
    MANAGER = "manager", gettext_lazy("Manager")


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """`work` follows the role's name in forms and docs; `offer` is the sentence of an invitation; `people` are the
    members with the role. Both are to be translated.
    """

    work: str
    offer: str
    people: str
    abilities: frozenset[Ability]


ROLES: dict[str, RoleFacts] = {
    Role.ANNOTATOR: RoleFacts(
        work=gettext_noop("labels"),
        offer=gettext_noop("As an annotator, you label its items."),
        people=gettext_noop("annotators"),
        abilities=frozenset({Ability.PROJECT_READ, Ability.TASKS_ANSWER}),
    ),
    Role.REVIEWER: RoleFacts(
        work=gettext_noop("checks and corrects labels"),
        offer=gettext_noop("As a reviewer, you check and correct its labels."),
        people=gettext_noop("reviewers"),
        abilities=frozenset({Ability.PROJECT_READ, Ability.ITEMS_READ, Ability.REVIEW_READ, Ability.REVIEW_DO}),
    ),
    Role.ENGINEER: RoleFacts(
        work=gettext_noop("exports labels and models"),
        offer=gettext_noop("As an engineer, you export its labels and models."),
        people=gettext_noop("engineers"),
        abilities=frozenset(
            {
                Ability.PROJECT_READ,
                Ability.ITEMS_READ,
                Ability.LABELS_READ,
                Ability.DATASETS_CHANGE,
                Ability.BATCHES_READ,
                Ability.MODELS_READ,
                Ability.PREDICTIONS_CHANGE,
            }
        ),
    ),
    Role.AUDITOR: RoleFacts(
        work=gettext_noop("reads everything, changes nothing"),
        offer=gettext_noop("As an auditor, you can read everything in it, but not change anything."),
        people=gettext_noop("auditors"),
        abilities=frozenset(ability for ability in Ability if ability.value.endswith(".read")),
    ),
    Role.MANAGER: RoleFacts(
        work=gettext_noop("may do everything in this project"),
        offer=gettext_noop("As a manager, you can do everything in it."),
        people=gettext_noop("managers"),
        abilities=frozenset(Ability),
    ),
}


def choices() -> list[tuple[str, Any]]:
    """Return the choices of the database field: (name, label). A callable, so that a new role needs no migration."""
    return list(Role.choices)


def roles_with(ability: Ability) -> list[Role]:
    """Return the roles that have the ability, in the order of `Role`."""
    return [role for role in Role if ability in ROLES[role].abilities]


def roles_without(ability: Ability) -> list[Role]:
    """Return the roles that lack the ability, in the order of `Role`."""
    return [role for role in Role if ability not in ROLES[role].abilities]


def offered(roles: list[Role]) -> list[tuple[str, str]]:
    """Return the choices of a form field: (role, "label: work")."""
    return [(role.value, f"{role.label}: {gettext(ROLES[role].work)}") for role in roles]


def either(roles: list[Role]) -> str:
    """Return the names of the roles for a sentence: "annotator, reviewer or engineer"."""
    return str(get_text_list([gettext(role.value) for role in roles], gettext("or")))


def who_may(ability: Ability) -> str:
    """Return the members with the ability, for a sentence: "engineers, auditors and managers"."""
    roles = roles_with(ability)
    if len(roles) == len(Role):
        return gettext("every member")
    return str(get_text_list([gettext(ROLES[role].people) for role in roles], gettext("and")))
