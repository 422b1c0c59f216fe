"""Test that docs/reference/commands.md has a section for every command with exactly its options."""

import re
from pathlib import Path

from django.core.management import BaseCommand, get_commands, load_command_class

from scripts.reference import written

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/reference/commands.md").read_text()
APPS = {name: app for name, app in get_commands().items() if app in ("demo", "labeling")}
COMMANDS = sorted(APPS)


# What every command has; one that means something else by such a name documents it.
BUILT_IN = {(action.dest, action.help) for action in BaseCommand().create_parser("manage.py", "x")._actions}


def options_of(command: BaseCommand) -> set[str]:
    parser = command.create_parser("manage.py", "x")
    own = [action for action in parser._actions if (action.dest, action.help) not in BUILT_IN]
    return {option for action in own for option in action.option_strings if option.startswith("--")}


def test_every_command_has_a_section_with_its_options() -> None:
    assert sorted(re.findall(r"^## (\w+)$", TEXT, re.MULTILINE)) == COMMANDS
    for name in COMMANDS:
        section = re.split(r"^## ", TEXT.split(f"\n## {name}\n")[1], flags=re.MULTILINE)[0]
        cells = re.findall(r"^\| (`--.*?) \|", section, re.MULTILINE)
        documented = {option for cell in cells for option in re.findall(r"`(--[\w-]+)`", cell)}
        assert documented == options_of(load_command_class(APPS[name], name)), name
    assert written(TEXT) == TEXT, "run scripts/reference.py"
