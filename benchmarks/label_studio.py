"""Runs Label Studio from PyPI, in its own virtual environment and data folder, for `benchmarks.peers`.

The benchmark calls its HTTP API (https://api.labelstud.io). It starts as its documentation says for pip: `label-studio
start`, with SQLite.
"""

import contextlib
import http.cookiejar
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import Send

START_SECONDS = 600
PASSWORD = "only-for-a-benchmark"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text" choice="single">{}</Choices></View>'
)
SILENT = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
"""It reports to nobody from here, and asks nobody for a newer version."""


class Person(NamedTuple):
    """A client that claims the next task and annotates it, like Label Studio's page: a `benchmarks.load.Client`."""

    port: int
    token: str
    project: int

    def claim(self, send: Send, count: int) -> Sequence[Any]:
        assert count == 1, "Label Studio gives one task a request."
        return [send("GET", f"/api/projects/{self.project}/next/", None)]

    def submit(self, send: Send, tasks: Sequence[Any]) -> None:
        for task in tasks:
            body = {**annotation("class 1"), "lead_time": 1.0, "project": self.project}
            send("POST", f"/api/tasks/{task['id']}/annotations/?project={self.project}", body)


def annotation(label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": value}]}


def install(folder: Path, version: str) -> None:
    """Create the virtual environment with this version, unless it exists."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"label-studio=={version}"]
    if subprocess.run(pip, stdout=sys.stderr, check=False).returncode:
        sys.exit(f"Label Studio {version} could not be installed into {folder}: see what pip said above.")


@dataclass(frozen=True, slots=True)
class LabelStudio:
    environment: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server, with a first user, until the end of the block. Its output goes to `server.log` in the
        folder.
        """
        command = [
            *(str(self.environment / "bin" / "label-studio"), "start", "--no-browser", "--data-dir", str(self.folder)),
            *("--internal-host", "127.0.0.1", "--port", str(self.port), "--enable-legacy-api-token"),
            *("--username", _address(0), "--password", PASSWORD),
        ]
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        log = self.folder / "server.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                command, env={**kept, **SILENT, "HOME": str(self.folder)}, stdout=output, stderr=output
            )
        try:
            self._wait_until_ready(server, log)
            yield
        finally:
            server.terminate()
            server.wait(30)

    def _wait_until_ready(self, server: subprocess.Popen[bytes], log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health/", timeout=5):
                return
            time.sleep(0.2)
        sys.exit(f"Label Studio did not start within {START_SECONDS} s:\n{log.read_text()[-2000:]}")

    def tokens(self, people: int) -> list[str]:
        """Return the tokens of the first user and of further users, who sign up as in a browser."""
        return [self._token("login", _address(0))] + [self._token("signup", _address(n)) for n in range(1, people)]

    def _token(self, way: str, email: str) -> str:
        cookies = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        page = f"{self.url}/user/{way}/"
        browser.open(page, timeout=60).close()
        secret = next(cookie.value or "" for cookie in cookies if cookie.name == "csrftoken")
        form = {"email": email, "password": PASSWORD, "csrfmiddlewaretoken": secret}
        browser.open(page, urllib.parse.urlencode(form).encode(), timeout=60).close()
        with browser.open(f"{self.url}/api/current-user/token", timeout=60) as reply:
            token: str = json.loads(reply.read())["token"]
        return token

    def project(self, send: Send, texts: Sequence[str], classes: Sequence[str], *, labeled: bool) -> int:
        """Create a project with a task for each text, each with one annotation if `labeled`. Return its number."""
        choices = "".join(f'<Choice value="{name}"/>' for name in classes)
        made = send("POST", "/api/projects/", {"title": "benchmark", "label_config": CONFIG.format(choices)})
        tasks: list[dict[str, Any]] = [{"data": {"text": text}} for text in texts]
        if labeled:
            for row, task in enumerate(tasks):
                task["annotations"] = [annotation(classes[row % len(classes)])]
        send("POST", f"/api/projects/{made['id']}/import", tasks)
        return int(made["id"])


def _address(number: int) -> str:
    return f"person-{number}@example.com"
