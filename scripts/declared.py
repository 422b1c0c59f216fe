"""The texts of declarations that pages show translated: settings, options, filters, formats, choices.

They are declared once, in English, for pages, the API and commands. Pages translate them where they show them, with
`gettext(setting.label)` or `{% translate row.state %}`, so the declarations need no marks.
"""

from collections.abc import Iterator
from dataclasses import fields

Text = tuple[str, str]
"""A text, and the file that it is in."""


def declared() -> Iterator[Text]:
    """Yield the texts of all declarations. Needs `django.setup()`. A text may come several times."""
    for file, texts in (
        ("labeling/models", _of_models()),
        ("labeling/projects/settings.py", _of_settings()),
        ("labeling/models/notice_kinds.py", _of_events()),
        ("labeling/models/files.py", _of_quotas()),
        ("labeling/kinds", _of_kinds()),
        ("labeling/labels/items", _of_items()),
        ("labeling/outgoing", _of_exports()),
        ("labeling/intake/readers/layout.py", _of_layouts()),
        ("labeling/outside/sources", _of_sources()),
        ("labeling/intake/registering.py", _of_refusals()),
        ("models_store", _of_models_store()),
    ):
        yield from ((str(text), file) for text in texts if text)


def of_files() -> Iterator[tuple[str | tuple[str, str], str]]:
    """Yield what the scripts of the import page say of a kind's files."""
    from labeling.kinds import KINDS, FileKind

    for kind in KINDS.values():
        if isinstance(kind, FileKind):
            for noun in sorted({kind.noun, *(each.noun for each in kind.foreign.values())}):
                yield (f"{{n}} {noun}", f"{{n}} {noun}s"), "labeling/kinds"
            for text in sorted({kind.noun, f"{kind.noun}s", *(each.formats for each in kind.foreign.values())}):
                yield text, "labeling/kinds"
            yield from ((each.advice, "labeling/kinds") for each in kind.foreign.values())


def _of_models() -> Iterator[str]:
    """The choices of fields. Pages show a state by its value or in small letters."""
    from django.apps import apps

    for model in apps.get_app_config("labeling").get_models():
        for field in model._meta.concrete_fields:
            for value, label in field.choices or ():
                yield from (value, str(label).lower()) if field.name in ("state", "loop") else (str(label),)


def _of_settings() -> Iterator[str]:
    from labeling.projects.settings import SECTIONS
    from selector.strategies import STRATEGIES

    yield from (each.looks for each in STRATEGIES.values())
    for section in SECTIONS:
        yield section.title
        for setting in section.settings:
            yield from (setting.label, setting.help)


def _of_events() -> Iterator[str]:
    from labeling.models import EventType

    yield from (each.meaning for each in EventType)


def _of_items() -> Iterator[str]:
    """Filters, orders, actions, reasons, roles, kinds of log entries, and questions."""
    from labeling.insight.picked import ORDERS, PARTS
    from labeling.insight.review import Reason
    from labeling.labels.items.item_filters import FILTERS, Origin, State
    from labeling.labels.items.order import SORTS
    from labeling.models import LogKind, Role
    from labeling.questions import QUESTIONS
    from labeling.queue.changing import ACTIONS
    from selector.strategies import STRATEGIES

    for each in FILTERS.values():
        chips = [each.chip] if isinstance(each.chip, str) else each.chip
        yield from (each.label, each.unset, each.attrs.get("placeholder", ""), *chips, *dict(each.choices).values())
    for choices in (State, Origin, Reason):
        yield from (str(choice.label) for choice in choices)
    yield from (order.title for order in (*SORTS.values(), *ORDERS.values()))
    yield from (*PARTS.values(), *(each.reason for each in STRATEGIES.values()))
    yield from (*(role.value for role in Role), *(kind.meaning for kind in LogKind))
    yield from (question.offer for question in QUESTIONS.values())
    for action in ACTIONS.values():
        yield from (action.title, action.done, action.meaning)


def _of_quotas() -> Iterator[str]:
    from labeling.models.files import file_owners

    yield from (owner.noun for owner in file_owners())


def _of_kinds() -> Iterator[str]:
    from labeling.kinds import KINDS

    for kind in KINDS.values():
        yield from (kind.noun, kind.noun.capitalize(), kind.plural, kind.examples, kind.sentence)


def _of_exports() -> Iterator[str]:
    from labeling.labels.resolving.origins import Origin
    from labeling.outgoing.exports.choice import FILTERS
    from labeling.outgoing.exports.columns import COLUMNS
    from labeling.outgoing.formats import GROUPS

    for title, formats in GROUPS.items():
        yield title
        for each in formats.values():
            yield from (each.title, each.note)
    for filter_ in FILTERS.values():
        yield from (filter_.label, filter_.hint, filter_.unset, filter_.attrs.get("placeholder", ""))
        yield from (words for _, words in filter_.choices)
    yield from (*(column.meaning for column in COLUMNS.values()), *(origin.value for origin in Origin))


def _of_refusals() -> Iterator[str]:
    """Reasons that are stored in English."""
    from labeling.intake import registering
    from labeling.projects.encoders import encoder_settings

    yield from (registering.PRIVATE, encoder_settings.PRIVATE, "A manager paused it.")


def _of_layouts() -> Iterator[str]:
    from labeling.intake.readers.layout import DELIMITERS, LABELS_AS, NOTHING_LEFT

    yield from (NOTHING_LEFT, *DELIMITERS.values())
    for use in LABELS_AS.values():
        yield from (use.title, use.consequence)


def _of_sources() -> Iterator[str]:
    from labeling.outside.sources import PLACES

    for place in PLACES:
        yield place.title
        for option in place.options:
            yield from (option.label, option.help)


def _of_models_store() -> Iterator[str]:
    from models_store.config import TrainConfig
    from models_store.encoders import ENCODERS
    from models_store.estimators import OURS

    for offer in (*ENCODERS, *OURS):
        yield from filter(None, (offer.title, offer.meaning))
        for name, option in offer.options.items():
            yield from (name.capitalize(), option.meaning)
    for setting in fields(TrainConfig):
        yield from (setting.name.replace("_", " ").capitalize(), setting.metadata["meaning"].replace("`", ""))
        yield from setting.metadata.get("choices", ())
