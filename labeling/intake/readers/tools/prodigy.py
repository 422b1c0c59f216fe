"""Rows of Prodigy, as its command `db-out` writes them: a task with the answer accept, reject or ignore."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from labeling.intake.answer_cells import Verdict, as_json
from labeling.kinds import BadValue
from labeling.kinds.wording import excerpt, is_blank, plain

from .base import Tool

_ANSWERS = {"accept": "accepted", "reject": "rejected", "ignore": "ignored"}
_HASHES = ("_input_hash", "_task_hash")
_LEFT_OUT = frozenset({"answer", "accept", "options", "label", "config", "spans", "tokens", "relations"})


def _knows(row: Mapping[str, Any]) -> bool:
    """Return whether the row has Prodigy's hashes; or, as a row written by hand, one of its answers about a label."""
    if not row.keys().isdisjoint(_HASHES):
        return True
    answer = row.get("answer")
    return isinstance(answer, str) and answer in _ANSWERS and not row.keys().isdisjoint(("label", "accept", "options"))


def _own_row(row: Mapping[str, Any], question: str) -> tuple[dict[str, Any], str]:
    """Return what the answer says of the label: a task that nobody has answered brings a suggestion. A rejected choice
    names no class, and a rejected label is a no to a question that proposes it.
    """
    shown = {name: value for name, value in row.items() if name not in _LEFT_OUT and name[:1] != "_"}
    answer = row.get("answer")
    if not is_blank(answer) and answer not in _ANSWERS:
        raise BadValue(f'"answer" is "{excerpt(str(answer))[:60]}", not accept, reject or ignore')
    is_choice = not (is_blank(row.get("accept")) and is_blank(row.get("options")))
    label: Any = None
    if is_choice:
        label = _chosen(row) if answer != "reject" else None
    elif isinstance(name := row.get("label"), str) and name.strip():
        shown["class"] = name
        label = Verdict(name, applies=None if is_blank(answer) else answer == "accept")
    if is_blank(answer):
        return {**shown, "label": None, "suggestion": label or None}, "suggested" if label else "unanswered"
    return {**shown, "label": None if answer == "ignore" else label}, _ANSWERS[str(answer)]


def _chosen(row: Mapping[str, Any]) -> list[Any] | None:
    """Return the chosen options: their ids, or the texts of options whose ids are numbers. None without a choice."""
    options, chosen = (as_json(plain(row.get(name))) for name in ("options", "accept"))
    if is_blank(chosen):
        return None
    texts = {
        each["id"]: each.get("text", each["id"])
        for each in (options if isinstance(options, list) else ())
        if isinstance(each, dict) and isinstance(each.get("id"), int)
    }
    listed = chosen if isinstance(chosen, list) else [chosen]
    return [texts.get(each, each) if isinstance(each, int) else each for each in listed]


PRODIGY = Tool(
    name="prodigy",
    title="Prodigy",
    meaning=_(
        "Accepted rows have a label. A rejected row means “no” for a yes-or-no question; for other "
        "questions it has no label."
    ),
    knows=_knows,
    row=_own_row,
)
