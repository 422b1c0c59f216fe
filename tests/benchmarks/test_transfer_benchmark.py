"""Test `python -m benchmarks.transfer` with few items."""

import json
import os
import subprocess
import sys

from benchmarks.transfer.__main__ import MEASURED
from scripts.installation import ROOT


def test_each_measurement_transfers_its_items() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "benchmarks.transfer", "--items", "60", "--json"]
    run = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(run.stdout)
    assert [(each["name"], each["items"]) for each in told["results"]] == [(m.name, m.times * 60) for m in MEASURED]
    assert all(each["seconds"] > 0 and each["cpu"] > 0 for each in told["results"])
    assert [each["name"] for each in told["results"] if "first" in each] == [
        each.name for each in MEASURED if each.first_byte or each.name.startswith("export")
    ]
