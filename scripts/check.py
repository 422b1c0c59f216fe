"""Runs the project's checks and prints for each the result, its time, the cores it used, and pytest's counts.

    python scripts/check.py                       # all of them; a failure does not stop the later ones
    python scripts/check.py test-sqlite -k undo   # one of them; further arguments go to pytest, or to its last command

Exit status: 0 if every check passed, 1 otherwise.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTEST = [f"{BIN}/pytest"]
IN_MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4_000_000_000  # noqa: S108  new folders in it are private
NO_TESTS = 5  # pytest's exit status when no test was selected
# One process a core for each of the two checks that run at a time: a process takes twenty seconds of a core to load
# torch and collect all tests. The longest check has one more, for it goes on alone, and its tests wait for servers and
# locks. The summary counts too little for Chromium and PostgreSQL: nothing waits for the end of their processes.
CORES = os.cpu_count() or 1
SIDE_BY_SIDE = ["-n", str(min(4, CORES)), "--dist", "worksteal"]
THE_LONGEST = ["-n", str(min(4, CORES + 1)), "--dist", "worksteal"]
# Tests with Chromium and Ray fail at times on a busy machine, so a failed one runs once more and is named at the end.
# Other tests never run twice, because their random failures are race conditions to fix.
ONCE_MORE = ["--reruns", "1", "-r", "fER"]
# Without these options, each process would import plugins that its tests do not use.
WITHOUT_BROWSER = ["--ignore=tests/browser", "-p", "no:playwright", "-p", "no:schemathesis"]
IN_BROWSER = [*ONCE_MORE, "-p", "no:schemathesis"]
ALL_CASES = ["env", "TRY_ALL=1"]  # `tests/extent.py`
# Pages, files and models are tested on SQLite alone. PostgreSQL runs the tests of the queue, locks and races, the steps
# of the loop, constraints and queries, and one file of each other subject.
ON_POSTGRES = [
    "api/test_annotating.py",
    "api/test_api_query_counts.py",
    "auditlog/test_log_chain.py",
    "blindness/test_audits_over_http.py",
    "blindness/test_ids_and_numbers_say_nothing.py",
    "classes/test_changes_while_people_label.py",
    "commands/test_status.py",
    "exports/test_export_rows.py",
    "finishing/test_asking.py",
    "finishing/test_certificates.py",
    "importing/test_import_ends_badly.py",
    "items/test_corrections.py",
    "items/test_corrections_at_once.py",
    "items/test_removing_at_once.py",
    "items/test_search.py",
    "loop/test_fresh_statistics.py",
    "loop/test_ledger_at_once.py",
    "loop/test_long_writes.py",
    "loop/test_looking_around.py",
    "loop/test_loop.py::test_three_rounds_rise_in_accuracy_and_keep_their_lineage",
    "loop/test_outside_places.py::test_few_steps_of_a_person_and_at_a_server_ask_outside_on_all_workers",
    "loop/test_outside_places.py::test_which_steps_ask_servers_outside",
    "loop/test_pick_ahead.py::test_what_is_given_out_meanwhile_stays_as_it_is",
    "observing/test_counts.py",
    "predicting/test_registered_models.py::test_it_waits_for_a_training_that_has_the_next_number",
    "notices/test_who_is_told.py",
    "operations/test_database_restart.py",
    "operations/test_rolling_upgrade.py",
    "queue",
    "uploads/test_storage.py::test_many_at_once_do_not_pass_the_limit_together",
    "walls/test_first_account.py::test_of_two_at_once_one_wins",
    "webhooks/test_at_once.py",
    "webhooks/test_delivering.py",
    "walls/test_invitation_links.py::test_of_many_who_take_the_last_places_at_once_exactly_the_limit_gets_in",
    "walls/test_known_devices.py::test_failures_of_a_device_are_all_counted_when_many_come_at_once",
    "walls/test_login_throttle.py::test_failures_of_many_at_once_are_all_counted",
    "walls/test_second_factor.py::test_of_sign_ins_at_once_with_the_same_code_one_succeeds",
]
# Of these, when all checks run in short, PostgreSQL alone: neither their statements nor their locks depend on the
# database, and other tests of the same subjects run on SQLite.
ON_POSTGRES_ALONE = [
    "api/test_annotating.py",
    "api/test_api_query_counts.py",
    "blindness/test_audits_over_http.py",
    "commands/test_status.py",
    "exports/test_export_rows.py",
    "finishing/test_asking.py",
    "finishing/test_certificates.py",
    "items/test_corrections.py",
    "notices/test_who_is_told.py",
    "queue/test_causes.py",
    "queue/test_clock_jumps.py",
    "queue/test_copies_beside.py",
    "queue/test_deadlines.py",
    "queue/test_gold.py",
    "queue/test_grids.py",
    "queue/test_kept_ready.py",
    "queue/test_parts.py",
    "queue/test_queue.py",
    "queue/test_shares.py",
    "queue/test_two_batches.py",
    "webhooks/test_delivering.py",
]
# Further tests on PostgreSQL, for `test-long`.
MORE_ON_POSTGRES = [
    "blindness/test_adversary.py",
    "blindness/test_numbers_of_copies.py",
    "classes/test_changes.py",
    "importing/test_import_chunks.py::test_a_strict_import_tells_of_ids_that_occur_again_chunks_later",
    "sources/test_looks.py",
    "importing/test_imports_carry_what_was_spent.py::"
    "test_an_export_that_is_imported_elsewhere_cannot_be_trained_on_anew_over_http",
    "items/test_review.py",
    "items/test_find_items.py",
    "items/test_removing.py",
    "loop/test_copies_in_the_loop.py",
    "loop/test_crashes.py::test_killed_import_goes_on_where_it_was",
    "loop/test_crashes.py::test_worker_killed_at_any_moment",
    "loop/test_loop.py::test_items_that_come_later_are_picked_and_corrected_labels_are_learned",
    "loop/test_loop.py::test_the_loop_ends_when_the_pool_is_empty_and_goes_on_when_items_arrive",
    "loop/test_pick_ahead.py::test_killed_in_the_midst_of_it_the_next_attempt_ends_it",
    "loop/test_pick_ahead.py::test_a_worker_that_dies_now_and_then_loses_nothing",
    "loop/test_pick_ahead.py::test_who_holds_up_the_first_batch_holds_up_nobody_and_its_model_knows_all_the_same",
    "loop/test_replace.py",
    "operations/test_back_up.py",
    "operations/test_disk_full.py",
    "operations/test_readiness.py",
    "web/test_query_counts.py",
]
# Minutes of generated requests, on the stricter database only, and tests with several hosts, which need it.
ON_POSTGRES_ONLY = ["api/test_published_schema_holds.py", "operations/test_several_hosts.py"]
# The product imports no benchmark, and their tests load more packages than the rest. For `test-long`.
IN_FULL_ONLY = ["benchmarks"]
# They use no database. When all checks run, they run beside the tests on SQLite, which take longest.
WITHOUT_DATABASE = ["certifying", "estimators", "models_store"]
# The files with the marker `ray`. Collecting all tests of the loop, which load every encoder, takes as long as these.
ON_RAY = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/**/test_*on_ray.py"))

CHECKS: dict[str, list[list[str]]] = {
    "lint": [
        [f"{BIN}/ruff", "check", "--no-cache", "."],
        [f"{BIN}/ruff", "format", "--check", "."],
        [f"{BIN}/lint-imports"],
    ],
    "types": [[f"{BIN}/mypy"]],
    "migrations": [
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run", "--settings", "config.settings_test"]
    ],
    "test-selector": [[*PYTEST, *WITHOUT_BROWSER, "-m", "not long", "tests/selector"]],
    "test-sqlite": [
        [
            *PYTEST,
            *THE_LONGEST,
            *WITHOUT_BROWSER,
            *("-m", "not browser and not ray and not long"),
            *(f"--ignore=tests/{name}" for name in [*ON_POSTGRES_ONLY, *IN_FULL_ONLY]),
        ]
    ],
    "test-postgres": [
        [
            "scripts/with-postgres.sh",
            *PYTEST,
            *SIDE_BY_SIDE,
            *("-p", "no:playwright"),
            *("-m", "not long"),
            *(f"tests/{name}" for name in [*ON_POSTGRES, *ON_POSTGRES_ONLY]),
        ]
    ],
    "test-ray": [[*PYTEST, *ONCE_MORE, "-m", "ray and not long", *ON_RAY]],
    "test-browser": [
        [*PYTEST, *SIDE_BY_SIDE, *IN_BROWSER, "-m", "browser and not long", "tests/browser"],
    ],
    "test-models": [
        [*PYTEST, *WITHOUT_BROWSER, "-m", "not long", *(f"tests/{name}" for name in WITHOUT_DATABASE)],
    ],
    # All tests with all cases, for half an hour and more, before a release.
    "test-long": [
        [
            *ALL_CASES,
            *PYTEST,
            *SIDE_BY_SIDE,
            *WITHOUT_BROWSER,
            *("-m", "not browser and not ray"),
            *(f"--ignore=tests/{name}" for name in ON_POSTGRES_ONLY),
        ],
        [
            "scripts/with-postgres.sh",
            *ALL_CASES,
            *PYTEST,
            *SIDE_BY_SIDE,
            *(f"tests/{name}" for name in [*ON_POSTGRES, *MORE_ON_POSTGRES, *ON_POSTGRES_ONLY]),
        ],
        [*ALL_CASES, *PYTEST, *ONCE_MORE, "-m", "ray", *ON_RAY],
        [*ALL_CASES, *PYTEST, *SIDE_BY_SIDE, *IN_BROWSER, "-m", "browser", "tests/browser"],
    ],
}
# All cores are busy with processes, so more threads would only wait for each other.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Tests must not use the developer's own database: settings fall back to SQLite, or with-postgres.sh sets one. Without
# bytecode files, each process would compile all code again.
NOT_FOR_TESTS = {"DATABASE_URL", "DATABASE_REPLICA_URL", "PYTHONDONTWRITEBYTECODE"}
# Two lanes run at the same time: the tests on SQLite take as long as all other checks together. They begin with those
# of the selector, in one process: in a new clone numba compiles it for half a minute and keeps the code. Processes that
# start together would each compile it for themselves.
ON_SQLITE = ["test-selector", "test-sqlite"]
LANES = [ON_SQLITE, [name for name in CHECKS if name not in {*ON_SQLITE, "test-long"}]]
IN_LANES = {
    "test-sqlite": [f"--ignore=tests/{name}" for name in ["selector", *WITHOUT_DATABASE, *ON_POSTGRES_ALONE]],
}


class Outcome(NamedTuple):
    name: str
    passed: bool
    seconds: float
    busy: float  # seconds of processor time
    counted: list[str]  # pytest's last lines; empty for other tools


class Processes:
    """The running commands of all threads, so that an interrupt can end them all."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    def start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            # A process group, so that an interrupt also ends the command's children.
            process = subprocess.Popen(  # noqa: S603  fixed commands, and the developer's own arguments
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def wait(self, process: subprocess.Popen[bytes]) -> tuple[int, float]:
        """Wait for the process; return its exit status and the processor seconds of it and its children."""
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except ChildProcessError:  # an interrupt has ended it
            return 130, 0.0
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._lock:
            self._running.discard(process)
        return process.returncode, usage.ru_utime + usage.ru_stime

    def end(self) -> None:
        """End all commands and start no others."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        for process in running:
            process.wait()


processes = Processes()


def run(command: list[str], write: Callable[[bytes], None]) -> tuple[int, str, float]:
    """Run the command and pass its output on; return its exit status, its last lines, and its processor seconds."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_TESTS} | ONE_THREAD
    try:
        process = processes.start(command, environment)
    except FileNotFoundError as missing:
        write(f"{missing}\n".encode())
        return 127, "", 0.0
    assert process.stdout is not None
    tail = b""
    while chunk := os.read(process.stdout.fileno(), 8192):
        write(chunk)
        tail = (tail + chunk)[-4096:]
    status, busy = processes.wait(process)
    return status, tail.decode(errors="replace"), busy


def closing_lines(output: str) -> list[str]:
    """Return the lines with pytest's counts."""
    return [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|errors?|deselected)\b.* in ", line)]


def check(name: str, arguments: list[str], write: Callable[[bytes], None]) -> Outcome:
    """Run a check, with `arguments` after each of its commands."""
    write(f"\n──── {name} {'─' * (90 - len(name))}\n".encode())
    started = time.monotonic()
    tests = name.startswith("test-")
    statuses, counted, busy = [], [], 0.0
    for command in CHECKS[name]:
        further = arguments if tests or command is CHECKS[name][-1] else []
        status, output, of_command = run([*command, *further], write)
        statuses.append(status)
        busy += of_command
        counted += closing_lines(output)[-1:] if tests else []
    # With `arguments`, one of two pytest commands may select no test.
    ran = [status for status in statuses if status != NO_TESTS]
    return Outcome(name, bool(ran) and not any(ran), time.monotonic() - started, busy, counted)


def say(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.flush()


def check_lane(names: list[str]) -> list[Outcome]:
    """Run checks one after the other; print the output of each when it ends."""
    outcomes = []
    for name in names:
        say(f"{name} has started\n".encode())
        parts: list[bytes] = []
        try:
            outcomes.append(check(name, IN_LANES.get(name, []), parts.append))
        finally:
            say(b"".join(parts))
    return outcomes


def check_all() -> list[Outcome]:
    """Run all lanes at the same time."""
    with ThreadPoolExecutor(len(LANES)) as threads:
        lanes = [threads.submit(check_lane, lane) for lane in LANES]
        try:
            return [outcome for lane in lanes for outcome in lane.result()]
        except BaseException:
            processes.end()
            raise


def memory_folder() -> Path | None:
    """Return the folder in memory if it has room for temporary files, else None: there tests take a sixth less time."""
    has_room = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > MEMORY_BYTES
    return IN_MEMORY if has_room else None


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, interrupt)
    name, *arguments = sys.argv[1:] or [""]
    if name and name not in CHECKS:
        sys.exit(f"No check is called {name!r}. There are: {', '.join(CHECKS)}.")
    try:
        with TemporaryDirectory(prefix="marginalia-", dir=memory_folder(), ignore_cleanup_errors=True) as folder:
            os.environ["TMPDIR"] = folder
            outcomes = [check(name, arguments, say)] if name else check_all()
    except KeyboardInterrupt:
        processes.end()
        return 130
    say(f"\n──── summary {'─' * 83}\n".encode())
    for outcome in outcomes:
        result = "passed" if outcome.passed else "FAILED"
        cores = outcome.busy / max(outcome.seconds, 0.01)
        say(f"{result}  {outcome.name:<14} {outcome.seconds:6.1f} s, {cores:.1f} cores busy\n".encode())
    for outcome in outcomes:
        for line in outcome.counted:
            say(f"{line}\n".encode())
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
