"""Adds, lists, tests, changes and removes sources of items."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.intake.readers.layout import OPTIONS, Layout, LayoutError
from labeling.intake.watching import changing
from labeling.management.arguments import project_named
from labeling.models import Project, Source
from labeling.outside.sources import BadAddress, SourceProblem


class Command(BaseCommand):
    help = (
        "List the sources of a project; add one, test its connection, look at it, pause or remove it. A worker looks "
        "at sources, at once and by their schedules."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--add", metavar="ADDRESS", help="Add a source, such as s3://bucket/folder.")
        for name, text in (
            ("test", "List its first files."),
            ("look", "Look for new files."),
            ("full-look", "Look at all files."),
            ("pause", "Look at it no more."),
            ("resume", "Let a paused source go on."),
            ("credentials-of", "Replace its credentials by those of --credentials."),
            ("remove", "Remove it. Its items stay."),
        ):
            act.add_argument(f"--{name}", type=int, metavar="ID", help=text)
        parser.add_argument("--name", default="", help="With --add. Default: the address.")
        parser.add_argument(
            "--content", choices=Source.Content.values, default=Source.Content.FILES, help="With --add."
        )
        parser.add_argument("--by-reference", action="store_true", help="With --add: the files of items stay there.")
        parser.add_argument(
            "--option", action="append", default=[], metavar="NAME=VALUE", help="With --add: such as region=eu-west-1."
        )
        parser.add_argument(
            "--credentials", metavar="FILE", help="A JSON object, such as key and secret; - reads standard input."
        )
        parser.add_argument(
            "--schedule", choices=Source.Every.values, default=Source.Every.DAY, help="When to look for new files."
        )
        parser.add_argument(
            "--full-schedule", choices=Source.Every.values, default=Source.Every.WEEK, help="When to look at all files."
        )
        parser.add_argument(
            "--lose-files", action="store_true", help="With --remove: also if files of items are there."
        )
        for name, text in OPTIONS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", default="", help=text.replace("%", "%%"))

    def handle(self, *args: Any, slug: str, **options: Any) -> None:
        project = project_named(slug)
        try:
            self._act(project, options)
        except LayoutError as error:
            raise CommandError(f"--{error.option.replace('_', '-')}: {error}") from None
        except BadAddress as error:
            raise CommandError(f"{error.option}: {error}") from None
        except ValidationError as error:
            by_field = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
            told = (f"{name}: {text}" if name else text for name, texts in by_field.items() for text in texts)
            raise CommandError(" ".join(told)) from None
        except (changing.SourceRefused, SourceProblem) as error:
            raise CommandError(str(error)) from None

    def _act(self, project: Project, options: dict[str, Any]) -> None:
        if options["add"]:
            source = _added(project, options)
            self.stdout.write(f"Added source {source.pk}. A worker looks at it.")
        elif (key := options["test"]) is not None:
            for each in changing.first_files(_numbered(project, key)):
                self.stdout.write(f"{each.key or 'the file'}  {'' if each.size is None else each.size} bytes")
        elif (key := options["look"] or options["full_look"]) is not None:
            changing.look_now(source=_numbered(project, key), full=options["full_look"] is not None)
            self.stdout.write("A worker looks at it.")
        elif (key := options["pause"] or options["resume"]) is not None:
            changing.change(source=_numbered(project, key), paused=options["pause"] is not None)
        elif (key := options["credentials_of"]) is not None:
            source = _numbered(project, key)
            secrets = changing.only(source.address, _credentials(options["credentials"]), secret=True)
            changing.change(source=source, secrets=secrets)
        elif (key := options["remove"]) is not None:
            changing.remove(source=_numbered(project, key), lose_files=options["lose_files"])
        else:
            self._list(project.sources.all())

    def _list(self, sources: Sequence[Source] | Any) -> None:
        for each in sources:
            state = "paused" if each.paused_at else each.problem or "active"
            looked = f"{each.looked_at:%Y-%m-%d %H:%M}" if each.looked_at else "never"
            self.stdout.write(f"{each.pk}  {each.name}  {each.address}  {each.found} files  looked {looked}  {state}")


def _added(project: Project, options: dict[str, Any]) -> Source:
    address = options["add"]
    texts = dict(text.partition("=")[::2] for text in options["option"])
    return changing.add(
        project=project,
        user=None,
        name=options["name"] or address[:100],
        address=address,
        options=changing.only(address, texts, secret=False),
        secrets=changing.only(address, _credentials(options["credentials"]), secret=True),
        content=options["content"],
        layout=Layout.read(options),
        by_reference=options["by_reference"],
        schedule=options["schedule"],
        full_schedule=options["full_schedule"],
    )


def _credentials(file: str | None) -> dict[str, str]:
    """Return the credentials in a JSON file. They are no arguments: other users of the machine can read those."""
    if file is None:
        return {}
    try:
        values = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"--credentials: {file} cannot be read: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(text, str) for text in values.values()):
        raise CommandError('--credentials: give one JSON object of texts, such as {"key": "…", "secret": "…"}.')
    return values


def _numbered(project: Project, key: int) -> Source:
    source = project.sources.filter(pk=key).first()
    if source is None:
        raise CommandError(f"There is no source {key} in {project.slug}.")
    return source
