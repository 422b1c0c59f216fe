"""Verifies the audit log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import LogChain
from labeling.observing.auditlog.verifying import verify_all, verify_one


class Command(BaseCommand):
    help = (
        "Verify the audit log: each entry holds the hash of the one before, and the server's chain holds hashes of all "
        "others, so a changed or removed entry or chain shows. Prints a line for each chain with its newest hash; ends "
        "with status 1 and a line for each chain that is broken or missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chain", metavar="NAME", help='Only this chain, such as "server" or "project 3".')
        parser.add_argument(
            "--expect",
            metavar="HASH",
            default="",
            help="A newest hash that was printed or logged before. The chain must still hold it. Needs --chain.",
        )

    def handle(self, *args: Any, chain: str | None, expect: str, **options: Any) -> None:
        if expect and not chain:
            raise CommandError("--expect needs --chain: a hash belongs to one chain.")
        chains = LogChain.objects.filter(name=chain)
        if chain and not chains:
            raise CommandError(f"There is no chain {chain!r}.")
        broken = []
        for verdict in [verify_one(chains[0], expected=expect)] if chain else verify_all():
            if verdict.problem:
                broken.append(f"{verdict.chain}: {verdict.problem}.")
            else:
                self.stdout.write(f"{verdict.chain}: {verdict.entries} entries, newest {verdict.newest} {verdict.head}")
        if broken:
            raise CommandError("\n".join(broken))
