"""Writes the tables in docs that are generated from declarations.

These are the options of `create_project`, `import_items`, `export_labels` and `dataset` and the kinds of steps in
commands.md, the filters in export.md, the roles in roles.md, the endpoints in api.md, the events in webhooks.md, the
kinds of notices in notices.md, and the states of a batch in loop.md.

Run `.venv/bin/python scripts/reference.py` after a change of a setting, a filter, a kind, a role, an ability or the
loop's table.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"
TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(?=<!-- /\2 -->)", re.DOTALL)


def options_of(command: str) -> str:
    """Return the table of the command's options, in the order of its help. Django must be set up."""
    from django.core.management import BaseCommand, load_command_class

    built_in = {action.dest for action in BaseCommand().create_parser("manage.py", command)._actions}
    parser = load_command_class("labeling", command).create_parser("manage.py", command)
    rows = [
        (", ".join(f"`{option}`" for option in action.option_strings), (action.help or "").replace("%%", "%"), action)
        for action in parser._actions
        if action.option_strings and action.dest not in built_in
    ]
    lines = ["| option | meaning |", "|---|---|"]
    for options, meaning, action in rows:
        choices = action.choices or (action.metavar or "").split("|")
        values = f" One of `{'`, `'.join(choices)}`." if len(choices) > 1 else ""
        lines.append(f"| {options} | {meaning}{values} |")
    return "\n".join(lines) + "\n"


def filters_of_exports() -> str:
    """Return the table of the parameters of an export. Django must be set up."""
    from labeling.outgoing.exports import FILTERS

    rows = (f"| `{name}` | {each.meaning} |\n" for name, each in FILTERS.items())
    formats = "one of the [formats](../how-to/use-an-export.md#formats), `jsonl` by default"
    return f"| parameter | meaning |\n|---|---|\n| `format` | {formats} |\n{''.join(rows)}"


def kinds_of_steps() -> str:
    """Return the table of the kinds of steps. Django must be set up."""
    from labeling.models import Job

    rows = (f"| `{kind}` | {kind.facts.phase} | {kind.facts.awaited_by} |" for kind in Job.Kind)
    return "\n".join(["| kind | what it does | who waits for it |", "|---|---|---|", *rows]) + "\n"


def abilities_of_roles() -> str:
    """Return the table of abilities and roles. Django must be set up."""
    from labeling.models.roles import ROLES, Ability, Role

    work = ["", "", *(ROLES[role].work for role in Role)]
    rows = [["ability", "opens", *Role.values], ["---"] * len(work), work]
    for ability in Ability:
        marks = ["x" if ability in ROLES[role].abilities else "" for role in Role]
        rows.append([f"`{ability.value}`", ability.label, *marks])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def endpoints_of(subject: str) -> str:
    """Return the table of the endpoints of a subject, with the texts of the published schema. Django must be set up."""
    from labeling.api.published.reference import published

    lines = ["| call | who | meaning |", "|---|---|---|"]
    for path, methods in published()["paths"].items():
        for method, operation in methods.items():
            if subject in operation["tags"]:
                call, meaning = f"{method.upper()} {path.removeprefix('/api/v1/')}", operation["description"].split()
                lines.append(f"| `{call}` | {operation['x-who']} | {' '.join(meaning)} |")
    return "\n".join(lines) + "\n"


def events_of_webhooks() -> str:
    """Return the table of the events that webhooks ask for. Django must be set up."""
    from labeling.models import EventType

    rows = (f"| `{event_type}` | {event_type.meaning} |\n" for event_type in EventType)
    return f"| event | it says |\n|---|---|\n{''.join(rows)}"


def kinds_of_notices() -> str:
    """Return the table of the kinds of notices. Django must be set up."""
    from labeling.models import NoticeKind
    from labeling.models.roles import who_may

    rows = (
        f"| {kind.text.format(number=3)} | {who_may(kind.ability) if kind.ability else 'the person'} |\n"
        for kind in NoticeKind
    )
    return f"| notice | who gets it |\n|---|---|\n{''.join(rows)}"


def states_of_batches() -> str:
    """Return the picture of a batch's states, and the table of the loop. Django must be set up."""
    from labeling.loop.table import TRANSITIONS, Enqueue, Follow, State

    def name_of(state: State) -> str:
        return "[*]" if state == State.NONE else state.name.lower()

    def said(each: Enqueue | Follow) -> str:
        if isinstance(each, Follow):
            return each.value
        otherwise = f", else `{each.otherwise}`" if each.otherwise else ""
        return f"`{each.kind}`" + (f" if {each.fact}" if each.fact else "") + otherwise

    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state}" as {name_of(state)}' for state in State if " " in state and state != State.NONE]
    lines += [f"    {name_of(move.before)} --> {name_of(move.after)}: {move.event}" for move in TRANSITIONS]
    lines += ["```", "", "| state | event | next state | what follows |", "|---|---|---|---|"]
    for move in TRANSITIONS:
        event = f"{move.event}, and {move.guard}" if move.guard else move.event
        lines.append(f"| {move.before} | {event} | {move.after} | {'; '.join(map(said, move.then))} |")
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "create_project": lambda: options_of("create_project"),
    "events": events_of_webhooks,
    "dataset": lambda: options_of("dataset"),
    "export_labels": lambda: options_of("export_labels"),
    "filters": filters_of_exports,
    "import_items": lambda: options_of("import_items"),
    "kinds": kinds_of_steps,
    "notices": kinds_of_notices,
    "roles": abilities_of_roles,
    "states": states_of_batches,
}


def written(text: str) -> str:
    """Return the text of a page with its generated tables updated. Other tables than `TABLES` are of endpoints."""

    def table(match: re.Match[str]) -> str:
        start, name = match.groups()
        return start + (TABLES[name]() if name in TABLES else endpoints_of(name))

    return TABLE.sub(table, text)


PAGES = [
    "commands.md", "export.md", "roles.md", "api.md", "../how-to/webhooks.md", "../how-to/notices.md",
    "../explanation/loop.md",
]  # fmt: skip


if __name__ == "__main__":
    import django

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    django.setup()
    for name in PAGES:
        page = REFERENCE / name
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
