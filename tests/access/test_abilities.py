"""Test the table of roles against the copy in `doors.py`, and the texts and choices made from the table."""

import re
from pathlib import Path

import pytest
from access.doors import ABILITIES
from django.core.exceptions import PermissionDenied

from labeling.models import Ability, Membership, Project, Role
from labeling.models.roles import ROLES
from labeling.projects.people import access

ROOT = Path(__file__).parents[2]


def test_each_role_has_its_abilities() -> None:
    assert {role: set(facts.abilities) for role, facts in ROLES.items()} == {
        role: {Ability(name) for name in names.split()} for role, names in ABILITIES.items()
    }
    assert list(ROLES) == list(Role)


def test_a_refusal_says_who_may() -> None:
    for ability, people in (
        (Ability.MEMBERS_CHANGE, "managers"),
        (Ability.TASKS_ANSWER, "annotators and managers"),
        (Ability.REVIEW_DO, "reviewers and managers"),
        (Ability.PREDICTIONS_CHANGE, "engineers and managers"),
        (Ability.ITEMS_READ, "reviewers, engineers, auditors and managers"),
    ):
        lacking = next(role for role in Role if ability not in ROLES[role].abilities)
        with pytest.raises(PermissionDenied, match=f"^Only {people} of this project may do that.$"):
            access.require(Membership(project=Project(), role=lacking), ability)


def test_templates_ask_for_abilities_that_there_are() -> None:
    keys = {
        key for path in (ROOT / "templates").rglob("*.html") for key in re.findall(r"\bcan\.(\w+)", path.read_text())
    }
    assert keys <= {ability.key for ability in Ability}


def test_no_code_outside_the_table_compares_roles() -> None:
    compares = re.compile(r"\brole (==|!=) |(filter|exclude|Q)\([^\n]*\brole=|role__in=\[")
    paths = [*(ROOT / "labeling").rglob("*.py"), *(ROOT / "templates").rglob("*.html")]
    assert [path for path in paths if compares.search(path.read_text())] == []
