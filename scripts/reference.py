"""Writes what docs/reference/commands.md has of declarations: the options of `create_project`, the kinds of steps.

Run `.venv/bin/python scripts/reference.py` after a change of a setting or a kind.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs/reference/commands.md"
TABLE = re.compile(r"(<!-- (options|kinds) -->\n).*?(?=<!-- /\2 -->)", re.DOTALL)


def options_of_create_project() -> str:
    """The table of the command's options, in the order of its help. Django must be set up."""
    from django.core.management import BaseCommand, load_command_class

    built_in = {action.dest for action in BaseCommand().create_parser("manage.py", "create_project")._actions}
    parser = load_command_class("labeling", "create_project").create_parser("manage.py", "create_project")
    rows = [
        (", ".join(f"`{option}`" for option in action.option_strings), (action.help or "").replace("%%", "%"), action)
        for action in parser._actions
        if action.option_strings and action.dest not in built_in
    ]
    lines = ["| option | meaning |", "|---|---|"]
    for options, meaning, action in rows:
        values = f" One of `{'`, `'.join(action.metavar.split('|'))}`." if "|" in (action.metavar or "") else ""
        lines.append(f"| {options} | {meaning}{values} |")
    return "\n".join(lines) + "\n"


def kinds_of_steps() -> str:
    """The table of the kinds of steps. Django must be set up."""
    from labeling.models import Job

    rows = (f"| `{kind}` | {kind.facts.phase} | {kind.facts.awaited_by} |" for kind in Job.Kind)
    return "\n".join(["| kind | what it does | who waits for it |", "|---|---|---|", *rows]) + "\n"


TABLES = {"options": options_of_create_project, "kinds": kinds_of_steps}


def written(text: str) -> str:
    """The page `commands.md` with its tables as they should be."""
    return TABLE.sub(lambda table: table[1] + TABLES[table[2]](), text)


if __name__ == "__main__":
    import django

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    django.setup()
    COMMANDS.write_text(written(COMMANDS.read_text(encoding="utf-8")), encoding="utf-8")
