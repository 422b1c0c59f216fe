"""Test that systemd accepts the units in deploy/systemd, and that they restrict the services."""

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy/systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
# Of 10, as systemd reckons it: 9.6 is a service with nothing but a command.
MOST_EXPOSURE = 1.8


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Return the units for this copy of the program, because systemd checks that their programs exist."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/marginalia", str(ROOT)))
    return sorted(path for path in tmp_path.iterdir() if path.is_file())


def test_systemd_has_nothing_to_say_about_them(units: list[Path]) -> None:
    assert len(units) == len(UNITS) >= 4
    result = analyze("verify", "--recursive-errors=no", *units)  # units of the machine's own are not ours to mend
    assert [line for line in result.stderr.splitlines() if "marginalia" in line] == []
    assert result.returncode == 0, result.stderr


def test_systemd_would_say_something(units: list[Path]) -> None:
    units[0].write_text(units[0].read_text().replace("[Service]", "[Service]\nProtectEverything=true"))
    assert "ProtectEverything" in analyze("verify", *units).stderr


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_walled_in(service: Path) -> None:
    result = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE * 10:.0f}", "--no-pager", service)
    assert result.returncode == 0, result.stdout[-200:]


def test_they_run_commands_that_there_are() -> None:
    commands = re.findall(r"manage\.py (\w+)$", "".join(unit.read_text() for unit in SERVICES), re.MULTILINE)
    assert sorted(commands) == ["clearsessions", "worker"]
    assert set(commands) <= get_commands().keys()


@pytest.mark.parametrize("name", ["web", "worker@"])
def test_a_service_that_is_killed_is_started_again_at_once_and_lives_on_without_a_child(name: str) -> None:
    lines = (ROOT / f"deploy/systemd/marginalia-{name}.service").read_text().splitlines()
    assert {"Restart=always", "RestartSec=1", "StartLimitIntervalSec=0", "OOMPolicy=continue"} <= set(lines)
