"""Runs web and worker together, in the foreground, until Ctrl-C or SIGTERM, or until one of the two ends.

    PORT=8000 python scripts/serve.py           # runs both
    PORT=8000 python scripts/serve.py --check   # only says whether the port is free

Exit status: 0 when it was told to stop, 1 when the port is taken or one of the two ended by itself (then the other
is stopped too). For a laptop or a small team; with a service manager at hand, let that run the two commands below.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "web": [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi:application"],
    "worker": [sys.executable, "manage.py", "worker"],
}
# A step that goes on longer is cut short: whoever starts next takes it up.
GRACE_SECONDS = 10


def check_port(text: str) -> int:
    """The port as a number. Ends the program with one line if it is none, or taken."""
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


def start(name: str, ended: queue.SimpleQueue[str]) -> subprocess.Popen[str]:
    """Start one of the two; its lines appear behind its name, and its name arrives in `ended` when it is over."""
    process = subprocess.Popen(  # noqa: S603  a fixed command
        COMMANDS[name],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches this program alone, which then stops both in order
    )

    def follow() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            say(name, line.rstrip("\n"))
        process.wait()
        ended.put(name)

    threading.Thread(target=follow, daemon=True).start()
    return process


def stop(processes: dict[str, subprocess.Popen[str]]) -> None:
    """Ask all to end; after the grace time, or a second Ctrl-C, end them and their children."""
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(GRACE_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(process.pid, signal.SIGKILL)


def say(name: str, line: str) -> None:
    sys.stdout.write(f"[{name}]".ljust(9) + line + "\n")
    sys.stdout.flush()


def main() -> int:
    os.umask(0o077)  # as web and worker have it
    check_port(os.environ.setdefault("PORT", "8000"))
    if "--check" in sys.argv:
        return 0
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: ended.put("told to"))
    processes = {name: start(name, ended) for name in COMMANDS}
    name = ended.get()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if name in processes:
        say(name, f"ended with exit status {processes[name].wait()}: stopping the rest.")
    else:
        say("serve", f"Stopping. A running step gets {GRACE_SECONDS} s to end; Ctrl-C again cuts it short.")
    stop(processes)
    return 1 if name in processes else 0


if __name__ == "__main__":
    sys.exit(main())
