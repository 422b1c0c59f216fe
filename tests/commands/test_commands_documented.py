"""docs/reference/commands.md has a section for every command, with every option and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import BaseCommand, load_command_class

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/reference/commands.md").read_text()
COMMANDS = sorted(path.stem for path in (ROOT / "labeling/management/commands").glob("[!_]*.py"))


def options_of(command: BaseCommand) -> set[str]:
    parser = command.create_parser("manage.py", "x")
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


def test_every_command_has_a_section() -> None:
    assert sorted(re.findall(r"^## (\w+)$", TEXT, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    section = re.split(r"^## ", TEXT.split(f"\n## {name}\n")[1], flags=re.MULTILINE)[0]
    documented = set(re.findall(r"^\| `(--[\w-]+)`", section, re.MULTILINE))
    assert documented == options_of(load_command_class("labeling", name)) - options_of(BaseCommand())
