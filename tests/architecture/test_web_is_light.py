"""Test that a web process loads neither torch nor other large libraries, nor OpenTelemetry unless traces are
exported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The WSGI application, every address, and `manage.py check`.
PROGRAM = """
import config.wsgi
from django.urls import get_resolver
def visit(patterns):
    for pattern in patterns:
        visit(getattr(pattern, "url_patterns", []))
visit(get_resolver().url_patterns)
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
import sys
print(sorted({'torch', 'numba', 'sklearn', 'faiss', 'opentelemetry'} & sys.modules.keys()))
"""


def run_python(arguments: list[str], data_dir: Path) -> str:
    """Run Python in a new process with the real settings, and return its output."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data_dir)}
    for name in ("DATABASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_web_process_loads_nothing_heavy(data_dir: Path) -> None:
    assert run_python(["-c", PROGRAM], data_dir).splitlines()[-1] == "[]"


@pytest.mark.long
def test_gunicorn_accepts_its_settings(data_dir: Path) -> None:
    run_python(["-m", "gunicorn", "--check-config", "-c", "config/gunicorn.py", "config.wsgi:application"], data_dir)
