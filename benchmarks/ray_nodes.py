"""A Ray cluster on this machine whose nodes, with one core each, can be killed and added."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}

RAY = Path(sys.executable).parent / "ray"
ON_THIS_MACHINE = "127.0.0.1"
START_SECONDS = 60


def free_port() -> int:
    """Return a free port above Ray's own ports and below the system's ephemeral ports."""
    return next(port for port in iter(lambda: random.randint(24_001, 30_000), 0) if not listens(port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ON_THIS_MACHINE, port)) == 0


class Nodes:
    """The head and the other nodes, each with the processes that it started."""

    def __init__(self, folder: Path, *, store_bytes: int = 100_000_000) -> None:
        """`folder`: a short path, because it holds sockets. `store_bytes`: the size of each node's object store."""
        self._folder, self._store_bytes = folder, store_bytes
        self.port, self.client_port = free_port(), free_port()
        self.running: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"{ON_THIS_MACHINE}:{self.port}"

    def start_head(self) -> None:
        self._start(
            "--head",
            f"--port={self.port}",
            f"--ray-client-server-port={self.client_port}",
            "--include-dashboard=false",
            f"--temp-dir={self._folder}",
        )
        end = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if time.monotonic() > end:
                raise RuntimeError(f"Ray has not started: see {self._folder}/ray.log")
            time.sleep(0.05)

    def start_another(self) -> None:
        self._start(f"--address={self.address}")

    def kill_last(self) -> None:
        """Kill all processes of the last node at once, as a power cut does; the head's if it is the only node."""
        process = self.running.pop()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _start(self, *options: str) -> None:
        command = [RAY, "start", *options, f"--node-ip-address={ON_THIS_MACHINE}", "--num-cpus=1", "--block"]
        # Nodes would require a token if the user has one.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **QUIET, "RAY_AUTH_MODE": "disabled"}
        with (self._folder / "ray.log").open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    [*command, f"--object-store-memory={self._store_bytes}"],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
