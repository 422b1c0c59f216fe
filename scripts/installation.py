"""A temporary installation with the demo, for scripts that need a real server: screenshots, measurements.

    with installation(batches=4) as demo:
        with demo.serving():
            httpx.get(demo.url)

It has a data folder of its own and a free port; nothing of an installation in `var/` is touched.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "marginalia-demo"  # noqa: S105  the demo's, as load_demo prints it
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Installation:
    folder: Path
    port: int
    database: str = ""  # a DATABASE_URL; SQLite in the folder without one

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DEBUG")}
        return {
            **kept,
            **({"DATABASE_URL": self.database} if self.database else {}),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *arguments: str) -> None:
        """Run a command of `manage.py` with its output on stderr. A failure ends the script."""
        subprocess.run(  # noqa: S603  fixed commands
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, stdout=sys.stderr, check=True
        )

    @contextlib.contextmanager
    def serving(self, *, worker: bool = False) -> Iterator[None]:
        """Run the web server as in production, on request with a worker, until the end of the block."""
        web = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi:application"]
        commands = [web] + [[sys.executable, "manage.py", "worker"]] * worker
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=sys.stderr)  # noqa: S603  fixed commands
            for command in commands
        ]
        try:
            self._wait_until_ready()
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=5):  # noqa: S310
                return
            time.sleep(0.1)
        sys.exit(f"The server did not start within {START_SECONDS} s: see what it said above.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def installation(*, batches: int, database: str = "") -> Iterator[Installation]:
    """Create the demo, simulate `batches` rounds of labeling in its project `digits`, and delete it after the block."""
    with tempfile.TemporaryDirectory(prefix="marginalia-") as folder:
        made = Installation(Path(folder), free_port(), database)
        made.manage("migrate", "--verbosity", "0")
        made.manage("collectstatic", "--no-input", "--verbosity", "0")
        made.manage("load_demo")
        if batches:
            with made.serving(worker=True):
                made.manage(
                    *("simulate_annotators", "digits", "--annotators", "4", "--batches", str(batches)),
                    *("--skip-rate", "0.02", "--error-rate", "0.03", "--url", made.url),
                )
        yield made
