"""Run web and worker together, in the foreground, until Ctrl-C or SIGTERM: `python -m config.serve`.

A process that ends or is killed is started again: after a second, and after twice the pause each time it lasts less
than a minute, up to 64 seconds. If the first start of a process fails, its settings are wrong, and this program ends.

Exit status: 0 after a signal to stop, 1 if the port is taken or a first start fails. For a laptop or a small team; a
service manager runs the two commands of `COMMANDS` instead. This program runs for weeks, so it does not load Django.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "web": [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi:application"],
    "worker": [sys.executable, "-m", "config.command_line", "worker"],
}
# A running step that takes longer is killed: the next worker repeats it.
GRACE_SECONDS = 10
# Seconds before a process is started again; the pause doubles unless the process has run for LASTING_SECONDS.
FIRST_PAUSE, LONGEST_PAUSE = 1, 64
LASTING_SECONDS = 60
STARTING_SECONDS = 30
# Time to read the last lines of a process that has ended.
LINES_SECONDS = 2


def check_port(text: str) -> int:
    """Return the port as a number. Ends the program with one line if the text is no port, or the port is taken."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT={text} is no port: it must be a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            sys.exit(
                f"Port {text} cannot be used ({error.strerror}). If Marginalia runs there already, use or stop "
                "that one; if it is another program, choose another port, for example PORT=8001."
            )
    return int(text)


class Part:
    """Web or worker: a process that can be started again. Puts an event into `events` when the process ends."""

    def __init__(self, name: str, events: queue.SimpleQueue[Event]) -> None:
        self.name = name
        self._events = events
        self._pause = FIRST_PAUSE
        self._runs = 0

    def start(self) -> None:
        self._runs += 1
        self._started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  a fixed command
            COMMANDS[self.name],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches only this program, which then stops the processes
        )
        lines = threading.Thread(target=self._follow, args=[self.process], daemon=True)
        lines.start()
        threading.Thread(target=self._wait, args=[self.process, lines], daemon=True).start()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            say(self.name, line.rstrip("\n"))

    def _wait(self, process: subprocess.Popen[str], lines: threading.Thread) -> None:
        process.wait()
        with suppress(ProcessLookupError):  # kill its children, which would keep the port or memory
            os.killpg(process.pid, signal.SIGKILL)
        lines.join(LINES_SECONDS)
        self._events.put(("ended", self))

    def start_later(self) -> bool:
        """Start the process again after a pause. Returns False, and starts nothing, if its first start failed."""
        status, lasted = self.process.wait(), time.monotonic() - self._started
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        if status == -signal.SIGKILL:
            how += " (the system does that when memory runs out)"
        if status > 0 and self._runs == 1 and lasted < STARTING_SECONDS:
            say(self.name, f"{how}: stopping the rest.")
            return False
        if lasted >= LASTING_SECONDS:
            self._pause = FIRST_PAUSE
        say(self.name, f"{how}. It is started again in {self._pause} s.")
        timer = threading.Timer(self._pause, self._events.put, [("due", self)])
        timer.daemon = True
        timer.start()
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True


# An event, and its part. A signal to stop concerns the whole program: it has none.
Event = tuple[Literal["ended", "due", "stop"], Part | None]


def stop(parts: list[Part]) -> None:
    """Ask all parts to end; kill them and their children after the grace time, or after a second Ctrl-C."""
    for part in parts:
        part.process.terminate()
    for part in parts:
        try:
            part.process.wait(GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(part.process.pid, signal.SIGKILL)
            part.process.wait()


def say(name: str, line: str) -> None:
    sys.stdout.write(f"[{name}]".ljust(9) + line + "\n")
    sys.stdout.flush()


def take_over(**environment: str) -> NoReturn:
    """Replace the current process, which has loaded Django, by this program, with these environment variables added."""
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, "-m", "config.serve"], os.environ | environment)  # noqa: S606


def main() -> int:
    os.umask(0o077)  # as in web and worker
    check_port(os.environ.setdefault("PORT", "8000"))
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: events.put(("stop", None)))
    parts = [Part(name, events) for name in COMMANDS]
    for part in parts:
        part.start()
    stopped = keep_running(events)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if stopped:
        say("serve", f"Stopping. A running step gets {GRACE_SECONDS} s to end; Ctrl-C again cuts it short.")
    stop(parts)
    return 0 if stopped else 1


def keep_running(events: queue.SimpleQueue[Event]) -> bool:
    """Start parts again when they end. Returns True after a signal to stop, False if a first start failed."""
    while True:
        what, part = events.get()
        if part is None:
            return True
        if what == "due":
            part.start()
        elif not part.start_later():
            return False


if __name__ == "__main__":
    sys.exit(main())
