"""Run web and worker together, in the foreground, until Ctrl-C or SIGTERM: `python -m config.serve`.

A process that was ready is started again at once when it ends or is killed. One that ends before it is ready is started
again after 1, 2, 4 … 64 seconds; if that is its first start, its settings are wrong, and this program ends.

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
# Seconds before a process that never became ready is started again; the pause doubles each time.
FIRST_PAUSE, LONGEST_PAUSE = 1, 64
# Time to read the last lines of a process that has ended.
LINES_SECONDS = 2
# The variable that tells a process who started it: this program's process id, and the pipe for `tell_ready`.
STARTED_BY = "MARGINALIA_STARTED_BY"


def tell_ready() -> None:
    """Tell this program that the current process, web or worker, is ready, and end with it from now on. Does nothing in
    a process that something else has started.
    """
    if not (started_by := os.environ.pop(STARTED_BY, "")):
        return
    from labeling.steps.running.forks import end_with  # loads Django, which this program itself does not

    parent, pipe = map(int, started_by.split(":"))
    end_with(parent)  # left behind, it would keep the port
    os.write(pipe, b"1")
    os.close(pipe)


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
        """Start the process. Only the main thread may do that: the kernel ends the process with the thread."""
        self._runs += 1
        self._ready, theirs = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603  a fixed command
            COMMANDS[self.name],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", STARTED_BY: f"{os.getpid()}:{theirs}"},
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches only this program, which then stops the processes
        )
        os.close(theirs)
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

    def _was_ready(self) -> bool:
        """Return whether the process that has ended had told that it was ready."""
        os.set_blocking(self._ready, False)  # a process that it has left behind may hold the pipe open
        with os.fdopen(self._ready, "rb", buffering=0) as pipe:
            return bool(pipe.read(1))

    def start_again(self) -> bool:
        """Start the process again, after a pause unless it was ready. Returns False, and starts nothing, if its first
        start failed.
        """
        status, was_ready = self.process.wait(), self._was_ready()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        if status == -signal.SIGKILL:
            how += " (the system does that when memory runs out)"
        if was_ready:
            say(self.name, f"{how}. It is started again.")
            self._pause = FIRST_PAUSE
            self.start()
            return True
        if status > 0 and self._runs == 1:
            say(self.name, f"{how}: stopping the rest.")
            return False
        say(self.name, f"{how} before it was ready. It is started again in {self._pause} s.")
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
        elif not part.start_again():
            return False


if __name__ == "__main__":
    sys.exit(main())
