"""Check a project's choice of an encoder, `{"name": …, "options": {…}}`, without loading the encoder.

An empty choice is the first encoder of the project's kind. A choice can name only weights in `DATA_DIR/weights` and in
installed packages, where only the operator of the server can put them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from models_store import encoders
from models_store.encoders import Encoder
from models_store.encoders.options import OptionError, settled

PRIVATE = "This project has a privacy budget, so its texts are not sent to an external server. Choose another encoder."

BY_DEFAULT, BY_ITEMS = "default", "items"
"""What took a project's encoder, as `by` of its choice: the server for a new project, or the first items. A manager's
choice has none."""
_BY_ITEMS = {
    "backbone": _(
        "It was chosen because most of the first images are in colour, or have 64 pixels or more on each side: "
        "%(weights)s was trained on a million photos."
    ),
    "pixels": _(
        "It was chosen because most of the first images are grey and have less than 64 pixels on a side: a small "
        "network learns them from the labels alone."
    ),
    "sentence-transformers": _(
        "It was chosen because most of the first texts are in English, which %(weights)s reads."
    ),
    "universal-sentence-encoder": _(
        "It was chosen because most of the first texts are in its languages, and no other model on this server "
        "reads them better."
    ),
    "tfidf-svd": _(
        "It was chosen because most of the first texts are in a language that no language model on this server "
        "reads, so words are counted. A model of that language needs fewer labels: put its folder on the server "
        "and choose sentence-transformers, or choose endpoint."
    ),
}
"""Why the first items took an encoder, by its name."""


def weights_folder() -> Path:
    """Return the folder with the weights of encoders, a file or folder for each encoder."""
    return Path(settings.DATA_DIR) / "weights"


def installed_weights() -> list[str]:
    """Return the names of the installed weights, sorted."""
    folder = weights_folder()
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def encoders_for(kind: str) -> Sequence[type[Encoder]]:
    """Return the encoders for a kind of item, the default first."""
    return [encoder for encoder in encoders.ENCODERS if encoder.kind == kind]


def default_choice(kind: str, samples: Sequence[Any] | None = None) -> dict[str, Any]:
    """Return the choice of a new project: the first encoder that suits the `samples`, raw items, and is for new
    projects or has its weights from an installed package. Empty without one.

    Without samples, the first items decide once more: `by` says so.
    """
    by = BY_DEFAULT if samples is None else BY_ITEMS
    for encoder in encoders_for(kind):
        weights = [{name: each} for name, option in encoder.options.items() for each in option.packaged()]
        is_default = (encoder.for_new or weights) and not encoder.is_private
        if is_default and (samples is None or encoder.suits(samples)):
            return {"name": encoder.name, "options": {} if encoder.for_new else weights[0], "by": by}
    return {} if samples is None else {"name": encoders_for(kind)[0].name, "options": {}, "by": by}


def reason_for_encoder(kind: str, choice: Mapping[str, Any]) -> str:
    """Return in a sentence why the project has this encoder, or "" if a manager or an earlier release took it."""
    by = choice.get("by")
    if not by:
        return ""
    encoder = encoder_of(kind, choice)
    weights = ", ".join(map(str, choice["options"].values()))
    names = {"name": encoder.name, "weights": weights, "meaning": gettext(encoder.meaning)}
    if by == BY_ITEMS and encoder.name in _BY_ITEMS:
        return gettext(_BY_ITEMS[encoder.name]) % names
    if by == BY_ITEMS or not weights:
        return gettext("New projects get %(name)s by default. %(meaning)s") % names
    return gettext("New projects get %(name)s with %(weights)s by default. The first items can change that.") % names


def name_of(kind: str, choice: Mapping[str, Any]) -> str:
    """Return the name of the encoder of a choice, even if that encoder is no longer installed."""
    return str(choice.get("name") or encoders_for(kind)[0].name)


def encoder_of(kind: str, choice: Mapping[str, Any]) -> type[Encoder]:
    """Return the encoder of a choice. Raises `ValidationError` if this kind of item has no encoder of that name."""
    known = {encoder.name: encoder for encoder in encoders_for(kind)}
    name = name_of(kind, choice)
    if name not in known:
        raise ValidationError(
            gettext("No encoder for items of the kind %(kind)s is called %(name)s; known: %(known)s.")
            % {"kind": kind, "name": repr(name), "known": ", ".join(known)}
        )
    return known[name]


def encoder_with_options(kind: str, choice: Mapping[str, Any]) -> tuple[type[Encoder], dict[str, Any]]:
    """Return the encoder of a choice, and its options with defaults filled in, for the encoder's `fit`.

    Raises `ValidationError` for an invalid choice; its `code` is the name of the option at fault.
    """
    encoder = encoder_of(kind, choice)
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
    encoder, _ = encoder_with_options(kind, value)
    if private and encoder.sends_items:
        raise ValidationError(gettext(PRIVATE))
    return value
