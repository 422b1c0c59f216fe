"""Check a project's choice of an encoder, `{"name": …, "options": {…}}`, without loading the encoder.

An empty choice is the first encoder of the project's kind. A choice can name only weights in `DATA_DIR/weights` and in
installed packages, where only the operator of the server can put them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from models_store import encoders
from models_store.encoders import Encoder
from models_store.encoders.options import Option, OptionError, settled

__all__ = [
    "PRIVATE",
    "Encoder",
    "Option",
    "check_encoder",
    "chosen",
    "default_choice",
    "encoders_for",
    "name_of",
    "settled_choice",
    "weights_there",
    "why_default",
]


PRIVATE = (
    "This project has a privacy budget, which bounds what its models reveal of its items. Nothing bounds what a server "
    "outside learns from whole texts, so none are sent to one. Choose another encoder."
)


def weights_folder() -> Path:
    """Return the folder with the weights of encoders, a file or folder for each encoder."""
    return Path(settings.DATA_DIR) / "weights"


def weights_there() -> list[str]:
    """Return the names of the installed weights, sorted."""
    folder = weights_folder()
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def encoders_for(kind: str) -> Sequence[type[Encoder]]:
    """Return the encoders for a kind of item, the default first."""
    return [encoder for encoder in encoders.ENCODERS if encoder.kind == kind]


def default_choice(kind: str) -> dict[str, Any]:
    """Return the choice of a new project: the first encoder that is for new projects or whose weights an installed
    package ships; empty without one.
    """
    for encoder in encoders_for(kind):
        if encoder.for_new:
            return {"name": encoder.name, "options": {}}
        for name, option in encoder.options.items():
            for weights in option.packaged():
                return {"name": encoder.name, "options": {name: weights}}
    return {}


def why_default(kind: str, choice: Mapping[str, Any]) -> str:
    """Return in a sentence why new projects get this choice, or "" if it is another or the first of its kind."""
    if not choice or choice != default_choice(kind):
        return ""
    encoder = chosen(kind, choice)
    if encoder.for_new:
        return gettext("New projects get %(name)s by default. %(meaning)s") % {
            "name": encoder.name,
            "meaning": gettext(encoder.meaning),
        }
    [weights] = choice["options"].values()
    return gettext(
        "New projects get %(name)s with %(weights)s by default, because an installed package ships this model."
    ) % {"name": encoder.name, "weights": weights}


def name_of(kind: str, choice: Mapping[str, Any]) -> str:
    """Return the name of the encoder of a choice, even if that encoder is no longer installed."""
    return str(choice.get("name") or encoders_for(kind)[0].name)


def chosen(kind: str, choice: Mapping[str, Any]) -> type[Encoder]:
    """Return the encoder of a choice. Raises `ValidationError` if this kind of item has no encoder of that name."""
    known = {encoder.name: encoder for encoder in encoders_for(kind)}
    name = name_of(kind, choice)
    if name not in known:
        raise ValidationError(
            gettext("No encoder for items of the kind %(kind)s is called %(name)s; known: %(known)s.")
            % {"kind": kind, "name": repr(name), "known": ", ".join(known)}
        )
    return known[name]


def settled_choice(kind: str, choice: Mapping[str, Any]) -> tuple[type[Encoder], dict[str, Any]]:
    """Return the encoder of a choice, and its options with defaults filled in, for the encoder's `fit`.

    Raises `ValidationError` for an invalid choice; its `code` is the name of the option at fault.
    """
    encoder = chosen(kind, choice)
    try:
        return encoder, settled(encoder.options, choice.get("options", {}), weights_folder())
    except OptionError as error:
        raise ValidationError(str(error), code=error.option) from error


def check_encoder(kind: str, value: Any, *, private: bool = False) -> dict[str, Any]:
    """Return `value` if it is a valid choice for this kind of item. `private`: the project has a privacy budget, so its
    items stay here. Raises `ValidationError`.
    """
    if not isinstance(value, dict) or not {*value} <= {"name", "options"}:
        raise ValidationError(gettext('The encoder must be an object such as {"name": "tfidf-svd", "options": {}}.'))
    if not isinstance(value.get("options", {}), dict):
        raise ValidationError(gettext('The options of the encoder must be an object such as {"folder": "minilm"}.'))
    encoder, _ = settled_choice(kind, value)
    if private and encoder.sends_items:
        raise ValidationError(gettext(PRIVATE))
    return value
