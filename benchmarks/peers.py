"""Label Studio beside Marginalia, in one run on one machine: claims and answers, and an export of labeled items.

    make bench-peers                                            # installs Label Studio into var/label-studio first
    make bench-peers ARGS="--seconds 20 --people 16 --json"     # one JSON object

Each server runs alone, the way its documentation says, with SQLite and a data folder that is gone afterwards:
gunicorn for Marginalia, `label-studio start` for Label Studio. The people are those of `benchmarks.queue`, a process
each; they claim one task, and send one answer, without a pause: first one person alone, then all. The export is one
request for items with one label each, JSON lines or JSON. Times are of whole requests.
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import queue
from benchmarks.label_studio import LabelStudio, Person, install
from benchmarks.load import Client, Load, connect, run
from benchmarks.measuring import in_a_process, machine
from scripts.installation import ROOT, Installation, free_port

VERSION = "1.23.2"
ENVIRONMENT = ROOT / "var" / "label-studio"
CLASSES = [f"class {number}" for number in range(10)]
LABELED = "texts"
"""The project that `benchmarks.transfer` makes."""

Serving = tuple[list[Client], str]
"""The people, and the path of the export."""


@contextmanager
def marginalia(folder: Path, options: argparse.Namespace) -> Iterator[Serving]:
    place = Installation(folder, free_port())
    place.manage("migrate", "--verbosity", "0")
    os.environ.update(place.environment)
    os.environ.pop("DATABASE_URL", None)
    tokens = in_a_process("benchmarks.queue", prepare=options.people, items=options.items)["tokens"]
    in_a_process("benchmarks.transfer", run=LABELED, items=options.labeled)
    in_a_process("benchmarks.peers", engineer=LABELED)
    with place.serving():
        yield [queue.Person(place.port, token) for token in tokens], f"/api/v1/projects/{LABELED}/export/?format=jsonl"


@contextmanager
def label_studio(folder: Path, options: argparse.Namespace) -> Iterator[Serving]:
    place = LabelStudio(options.environment, folder, free_port())
    texts = [f"Text number {row}." for row in range(max(options.items, options.labeled))]
    with place.serving():
        tokens = place.tokens(options.people)
        send = connect(Person(place.port, tokens[0], 0))
        labeled = place.project(send, texts[: options.labeled], CLASSES, labeled=True)
        project = place.project(send, texts[: options.items], CLASSES, labeled=False)
        path = f"/api/projects/{labeled}/export?exportType=JSON"
        yield [Person(place.port, token, project) for token in tokens], path


def measure(name: str, serving: Serving, seconds: float) -> dict[str, Any]:
    people, path = serving
    loads = [Load("1 person alone", 1, 1), Load(f"{len(people)} people flat out", len(people), 1)]
    return {
        "name": name,
        "loads": [run(people, load, seconds) for load in loads],
        "export": export(people[0].port, people[0].token, path),
    }


def export(port: int, token: str, path: str) -> dict[str, float]:
    """Export the labels; return the seconds to the first and the last byte, and the number of bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1800)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Token {token}"})
    reply = connection.getresponse()
    size = len(reply.read(1))
    first = time.perf_counter() - began
    if reply.status != 200:
        raise SystemExit(f"{path} answered {reply.status}: {reply.read(300)!r}")
    while part := reply.read(1 << 20):
        size += len(part)
    return {"first_byte": first, "seconds": time.perf_counter() - began, "bytes": size}


def add_engineer(slug: str) -> dict[str, Any]:
    """Make the first annotator of `benchmarks.queue` an engineer, who may export this project."""
    from labeling.models import Project, Role, User
    from labeling.projects.people.members import set_role

    user = User.objects.get(username="person-0")
    set_role(project=Project.objects.get(slug=slug), user=user, role=Role.ENGINEER)
    return {}


def print_table(servers: list[dict[str, Any]], labeled: int) -> None:
    print(f"{'':<16}{'':<24}{'labels/s':>9}   {'claim p50':>9}{'p95':>9}   {'submit p50':>10}{'p95':>9}  ms")
    for server in servers:
        for load in server["loads"]:
            claim, submit = load["claims"], load["submits"]
            print(f"{server['name']:<16}{load['name']:<24}{load['labels_per_second']:>9.1f}   {claim['p50']:>9.1f}"
                  f"{claim['p95']:>9.1f}   {submit['p50']:>10.1f}{submit['p95']:>9.1f}")  # fmt: skip
    print(f"\nExport of {labeled:,} labeled items")
    for server in servers:
        made = server["export"]
        print(f"{server['name']:<16}first byte after {made['first_byte']:.2f} s, all {made['bytes'] / 1e6:.1f} MB "
              f"after {made['seconds']:.2f} s")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=5.0, help="How long each load is measured. Default: 5.")
    add("--people", type=int, default=8, help="How many label at once. Default: 8.")
    add("--items", type=int, default=10_000, help="Items to label. Default: 10,000.")
    add("--labeled", type=int, default=2_000, help="Labeled items to export. Default: 2,000.")
    add("--environment", type=lambda path: Path(path).absolute(), default=ENVIRONMENT, metavar="FOLDER",
        help="Label Studio's virtual environment, made if it is not there. Default: var/label-studio.")  # fmt: skip
    add("--label-studio", default=VERSION, metavar="VERSION", help=f"Default: {VERSION}.")
    add("--json", action="store_true", help="One JSON object instead of the table.")
    add("--engineer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engineer:
        import django

        django.setup()
        print(json.dumps(add_engineer(options.engineer)))
        return 0
    install(options.environment, options.label_studio)
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = Path(name, "marginalia"), Path(name, "label-studio")
        ours.mkdir()
        theirs.mkdir()
        with marginalia(ours, options) as serving:
            servers = [measure("Marginalia", serving, options.seconds)]
        with label_studio(theirs, options) as serving:
            servers.append(measure("Label Studio", serving, options.seconds))
    if options.json:
        facts = {"machine": machine(), "database": "SQLite", "load_before": busy}
        facts |= {name: getattr(options, name) for name in ("items", "labeled", "seconds", "label_studio")}
        print(json.dumps({**facts, "servers": servers}))
    else:
        print(f"SQLite, {options.items:,} items, {options.seconds:g} s each; Label Studio {options.label_studio}; "
              f"load before: {busy:.1f}\n")  # fmt: skip
        print_table(servers, options.labeled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
