"""The variables of addresses in the published schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from labeling.api.shared.fields import MAX_ID, MAX_INT


class Variable(NamedTuple):
    """The schema and meaning of a variable, and its value in examples."""

    schema: dict[str, Any]
    text: str
    sample: str = "3"


VARIABLES = {
    "slug": Variable(
        {"type": "string", "pattern": "^[a-z0-9]+(?:-[a-z0-9]+)*$", "maxLength": 60},
        "The project's short name.",
        "owls",
    ),
    "username": Variable(
        {"type": "string", "pattern": r"^[A-Za-z0-9_.@+-]+$", "maxLength": 150}, "The member's username.", "ann"
    ),
    "index": Variable({"type": "integer", "minimum": 0, "maximum": MAX_INT}, "The index of the class: it stays.", "1"),
    "number": Variable({"type": "integer", "minimum": 1, "maximum": MAX_INT}, "The number within the project."),
    "item_id": Variable({"type": "integer", "minimum": 1, "maximum": MAX_ID}, "The item's id.", "812"),
    "image": Variable(
        {"type": "string", "pattern": "^[a-z0-9_-]+[.][a-z]+$", "maxLength": 100}, "The image's name.", "barn-owl.png"
    ),
    "annotation_id": Variable(
        {"type": "string", "format": "uuid"},
        "The annotation's id, which its sender made.",
        "0b6f4b1c-6f0e-4a57-9c53-8c1b3c1f3d52",
    ),
}


def variable(name: str) -> Variable:
    """Return the variable of this name. Unless `VARIABLES` has it, it is the id of a row: `import_id` of an import."""
    row = name.removesuffix("_id")
    return VARIABLES.get(name) or Variable({"type": "integer", "minimum": 1, "maximum": MAX_ID}, f"The {row}'s id.")
