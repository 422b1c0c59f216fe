"""Measures encoders on a project's own labels."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.management.arguments import project_named
from labeling.models import EncoderComparison
from labeling.projects.encoders import encoder_comparison
from labeling.projects.encoders.encoder_comparison import ComparisonRefused, Measured


class Command(BaseCommand):
    help = "Let a worker measure how right the project's model is with each encoder of this server, or show the result."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("--show", action="store_true", help="Only show the last measurement.")
        parser.add_argument(
            "--also",
            action="append",
            default=[],
            metavar="JSON",
            help='Another encoder to measure, with its options, like \'{"name": "pixels", "options": {"size": 64}}\'; '
            "repeatable.",
        )

    def handle(self, *args: Any, slug: str, show: bool, also: list[str], **options: Any) -> None:
        project = project_named(slug)
        if not show:
            try:
                encoder_comparison.ask(project=project, also=[json.loads(text) for text in also])
            except json.JSONDecodeError as error:
                raise CommandError(f"also: this is not JSON: {error}.") from error
            except (ComparisonRefused, ValidationError) as error:
                raise CommandError(error.messages[0] if isinstance(error, ValidationError) else str(error)) from error
        comparison = encoder_comparison.comparison_of(project)
        if comparison is None:
            raise CommandError("The encoders have not been measured. Leave --show out to measure them.")
        self.stdout.write("\n".join(_described(comparison)))


def _described(comparison: EncoderComparison) -> Iterator[str]:
    for each in encoder_comparison.results_of(comparison):
        options = " ".join(f"{name}={value}" for name, value in each.choice["options"].items())
        yield f"{each.choice['name']} {options}".rstrip() + f": {_figures(each)}"
    if comparison.job is not None and comparison.job.state == "failed":
        yield f"The measurement failed: {comparison.job.reason}"
    elif encoder_comparison.is_under_way(comparison):
        yield "A worker measures the encoders; --show shows the results."
    elif not comparison.drawn:
        yield "Most of the items were picked, not drawn at random: no accuracy holds for the whole pool."


def _figures(each: Measured) -> str:
    if each.accuracy is None or each.low is None or each.high is None:
        return each.problem
    return (
        f"{each.accuracy:.1%} right ({each.low:.1%} to {each.high:.1%}) of {each.tested:,}, "
        f"about {each.pool_seconds:,.0f} s for all items"
    )
