"""Loads the demo, then runs the web server and the worker."""

from django.core.management import call_command

from labeling.management.commands import run


class Command(run.Command):
    help = "Load two projects on real data and an account for each role, if they are not there, then do as `run` does."

    def prepare(self) -> None:
        call_command("load_demo", stdout=self.stdout)
