"""Creates a project."""

import json
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import BooleanField, DecimalField, FloatField, IntegerField

from labeling import questions
from labeling.kinds import KINDS
from labeling.models import User
from labeling.projects.create import class_lines, create_project
from labeling.projects.encoders.encoder_settings import default_choice, encoders_for
from labeling.projects.model_settings import check_training, known
from labeling.projects.settings import SETTINGS, TEXTS, field_of

# Fields of the project with an option each. The model validates the values, so that commands and pages give the same
# errors.
FIELDS = ("question", *TEXTS, *(name for name in SETTINGS if name not in ("model", "training")), "seed")


class Command(BaseCommand):
    help = (
        "Create a project: what kind of item, what is asked about it, and how batches are made. Kind, question, "
        "classes and seed stay as they are; the rest can be changed later. Next: "
        "add_member, import_items."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="Its short name in addresses and commands, for example street-signs.")
        parser.add_argument("--kind", required=True, metavar=_metavar("kind"), help="What an item is.")
        classes = parser.add_mutually_exclusive_group(required=True)
        classes.add_argument("--classes", metavar="A,B,C", help="The classes, separated by commas.")
        classes.add_argument("--classes-file", type=Path, metavar="PATH", help="A UTF-8 file with one class a line.")
        for name in FIELDS:
            option, text = f"--{name.replace('_', '-')}", _help(name)
            if isinstance(field_of(name), BooleanField):
                parser.add_argument(option, action=BooleanOptionalAction, help=text)
            else:
                parser.add_argument(option, metavar=_metavar(name), help=text)
        parser.add_argument("--leave-skips", dest="replace_skips", action="store_false", default=None,
                            help="The same as --no-replace-skips.")  # fmt: skip
        parser.add_argument("--training", metavar="JSON", help="Training settings, for example '{\"epochs\": 40}'.")
        parser.add_argument("--encoder", metavar="NAME", help=f"What turns items into numbers: {_encoders()}.")
        parser.add_argument(
            "--encoder-options", metavar="JSON", help='The options of the encoder, like \'{"folder": "minilm"}\'.'
        )
        models = ", ".join(each.name for each in known())
        parser.add_argument("--model", metavar="NAME", help=f"What learns from the labels: {models}.")
        parser.add_argument(
            "--model-options", metavar="JSON", help='Its options, for example \'{"classifier": "GaussianNB"}\'.'
        )
        parser.add_argument(
            "--wait-for-newest-model",
            action="store_true",
            help="No batch is picked ahead: people wait for each training.",
        )
        parser.add_argument("--manager", metavar="USERNAME", help="An existing user who is to manage the project.")

    def handle(self, *args: Any, slug: str, kind: str, **options: Any) -> None:
        settings = {name: options[name] for name in FIELDS if options[name] is not None}
        if options["wait_for_newest_model"]:
            settings["pick_ahead"] = None
        try:
            project = create_project(
                slug=slug,
                kind=kind,
                classes=_classes(options["classes"], options["classes_file"]),
                manager=_manager(options["manager"]),
                settings={
                    **settings,
                    "training": _training(options["training"]),
                    "encoder": _choice("encoder", options) or default_choice(kind),
                    "model": _choice("model", options),
                },
            )
        except ValidationError as error:
            raise CommandError(_one_line(error)) from error
        self.stdout.write(f"Project {project.slug} created, with {project.classes.count()} classes.")


_HELP = {
    "question": "; ".join(f"{name}: {title}" for name, title in questions.choices()) + ".",
    "name": "Its name on pages; follows from the slug if left out.",
    "strategy": "How batches after the first are picked; docs/explanation/selection.md says which is good for what.",
    "loop": "Paused, annotators get no tasks; stopped, no batch follows the present one.",
}


def _metavar(name: str) -> str:
    field = field_of(name)
    if field.choices:
        return "|".join(str(value) for value, _ in field.flatchoices)
    return "N" if isinstance(field, DecimalField | FloatField | IntegerField) else "TEXT"


def _help(name: str) -> str:
    """Return the help text of the model's field, with a plain default value."""
    field = field_of(name)
    text = (str(field.help_text) or _HELP[name]).replace("%", "%%")
    return text if callable(field.default) or not field.has_default() else f"{text} Default: {field.default}."


def _classes(listed: str | None, path: Path | None) -> list[str]:
    if path is None:
        return (listed or "").split(",")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"classes-file: {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"classes-file: {path} is not UTF-8 text.") from error
    return class_lines(text)


def _encoders() -> str:
    """List the encoders of each kind of item, the default first."""
    known = ((kind, ", ".join(encoder.name for encoder in encoders_for(kind))) for kind in KINDS)
    return "; ".join(f"{names} for {kind} items" for kind, names in known)


def _choice(setting: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the chosen encoder or model with its options."""
    name, text = options[setting], options[f"{setting}_options"]
    if name is None:
        if text is not None:
            raise CommandError(f"{setting}-options: name the {setting} too, with --{setting}.")
        return {}
    try:
        options = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise CommandError(f"{setting}-options: this is not JSON: {error}.") from error
    return {"name": name, "options": options}


def _training(text: str | None) -> dict[str, Any]:
    try:
        return check_training(json.loads(text or "{}"))
    except json.JSONDecodeError as error:
        raise CommandError(f"training: this is not JSON: {error}.") from error
    except ValidationError as error:
        raise CommandError(f"training: {error.messages[0].removeprefix('training: ')}") from error


def _manager(username: str | None) -> User | None:
    if username is None:
        return None
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(
            f"manager: there is no user {username!r}. Leave --manager out, then use `add_member` with --role manager."
        )
    return user


def _one_line(error: ValidationError) -> str:
    """Return the first error as one line that names its field."""
    field, messages = next(iter(error.message_dict.items()))
    return f"{field}: {' '.join(messages)}".replace("\n", " ")
