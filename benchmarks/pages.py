"""How long each page takes on the server, and how many queries it makes.

    python -m benchmarks.pages                        # the demo after three rounds of labeling
    python -m benchmarks.pages --big                  # and a project of 200,000 items, half of them answered
    python -m benchmarks.pages --big --items 1000000  # and one of a million; making it takes minutes
    python -m benchmarks.pages --json                 # one JSON object
    scripts/with-postgres.sh python -m benchmarks.pages …

A real server (gunicorn, as in production) on this machine is asked for each page and each read of the API that a role
may see, one request after the other, over connections that stay open. Times are wall times of whole requests over
loopback, from the first byte sent to the last one read. Queries are counted by asking Django for the same page in this
process.

Measure on a machine that does nothing else. Exit status: 1 if a page takes longer than the limit (median).
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import httpx  # noqa: E402
from installation import PASSWORD, Installation, installation  # noqa: E402

ROLES = {"annie": "annotator", "enzo": "engineer", "mona": "manager"}
LIMIT_MS = 300
# What is requested before anything is measured: caches of templates, code and the database's pages fill.
WARM_UP = 3


class Page(NamedTuple):
    name: str
    path: str
    role: str
    queries: int


class Result(NamedTuple):
    page: Page
    p50: float
    p95: float
    longest: float


def pages_of(slug: str) -> Iterator[Page]:
    """Yield every page that answers with 200, for each role, from the URL resolver."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from labeling.models import User

    for username, role in ROLES.items():
        client = Client(headers={"host": "127.0.0.1"})
        client.force_login(User.objects.get(username=username))
        for name, path in paths_of(slug):
            with CaptureQueriesContext(connection) as captured:
                response = client.get(path)
            if response.status_code == 200 and not response.streaming:
                yield Page(name, path, role, len(captured))


def paths_of(slug: str) -> Iterator[tuple[str, str]]:
    from django.urls import NoReverseMatch, get_resolver, reverse

    ids = _ids(slug)
    for name, pattern in _patterns(get_resolver().url_patterns):
        arguments = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
        if name in ("logout", "metrics") or not set(arguments) <= ids.keys():
            continue
        try:
            yield name, reverse(name, kwargs={argument: ids[argument] for argument in arguments})
        except NoReverseMatch:
            continue


def _patterns(patterns: list[Any], namespace: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names and patterns of the pages and the API."""
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            if pattern.namespace in (None, "api"):
                yield from _patterns(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif pattern.name:
            yield namespace + pattern.name, pattern


def _ids(slug: str) -> dict[str, Any]:
    """Return an id of each kind in addresses: a batch and a version in the middle, a labeled item."""
    from labeling.models import Project

    project = Project.objects.get(slug=slug)
    item = project.items.labeled().order_by("pk").last()
    upload = project.imports.order_by("pk").last()
    keys = {
        "slug": slug,
        "number": max(1, project.batches.count() // 2),
        "username": "bert",
        "item_id": item and item.pk,
        "import_id": upload and upload.pk,
    }
    return {name: value for name, value in keys.items() if value}


def measure(demo: Installation, pages: list[Page], repeat: int) -> list[Result]:
    results = []
    for username, role in ROLES.items():
        with httpx.Client(base_url=demo.url, timeout=120) as client:
            sign_in(client, username)
            for page in (page for page in pages if page.role == role):
                for _ in range(WARM_UP):
                    timed(client, page.path)
                results.append(Result(page, *summary([timed(client, page.path) for _ in range(repeat)])))
    return results


def sign_in(client: httpx.Client, username: str) -> None:
    client.get("/login/")
    form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    answer = client.post("/login/", data=form)
    if answer.status_code != 302:
        sys.exit(f"{username} could not sign in: the server answered {answer.status_code}.")


def timed(client: httpx.Client, path: str) -> float:
    """Request the path; return the milliseconds."""
    started = time.perf_counter()
    answer = client.get(path)
    took = 1000 * (time.perf_counter() - started)
    if answer.status_code != 200:
        sys.exit(f"{path} answered {answer.status_code}.")
    return took


def summary(times: list[float]) -> tuple[float, float, float]:
    """Return the median, the 95th percentile and the maximum of the times."""
    cut = statistics.quantiles(times, n=20, method="inclusive") if len(times) > 1 else times * 19
    return statistics.median(times), cut[-1], max(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="Requests for each page. Default: 20.")
    parser.add_argument("--batches", type=int, default=3, metavar="N", help="Rounds labeled before. Default: 3.")
    parser.add_argument("--big", action="store_true", help="Also a project of 200,000 items, half answered.")
    parser.add_argument("--items", type=int, metavar="N", help="Items of the big project, instead of 200,000.")
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args()
    if options.repeat < 1 or options.batches < 1:
        parser.error("--repeat and --batches must be at least 1.")
    with installation(batches=options.batches, database=os.environ.get("DATABASE_URL", "")) as demo:
        os.environ.update(demo.environment)
        import django

        django.setup()
        slugs = ["digits"]
        if options.big:
            from benchmarks.big_project import ITEMS, make_big_project

            slugs.append(make_big_project(options.items or ITEMS))
        load = os.getloadavg()[0]
        with demo.serving():
            results = {slug: measure(demo, list(pages_of(slug)), options.repeat) for slug in slugs}
    (tell_json if options.json else tell)(results, options.repeat, load)
    slow = [result for of_project in results.values() for result in of_project if result.p50 > LIMIT_MS]
    return 1 if slow else 0


def tell(results: dict[str, list[Result]], repeat: int, load: float) -> None:
    print(f"{repeat} requests each, one after the other; load of the machine before: {load:.1f}")
    for slug, rows in results.items():
        print(f"\n{slug:<58}{'queries':>8}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}")
        for page, p50, p95, longest in sorted(rows, key=lambda result: -result.p50):
            print(f"{page.role:<10}{page.path:<48}{page.queries:>8}{p50:>9.1f}{p95:>9.1f}{longest:>9.1f}")


def tell_json(results: dict[str, list[Result]], repeat: int, load: float) -> None:
    shown = {
        slug: [
            {**page._asdict(), "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "max_ms": round(longest, 2)}
            for page, p50, p95, longest in rows
        ]
        for slug, rows in results.items()
    }
    print(json.dumps({"repeat": repeat, "load": round(load, 2), "limit_ms": LIMIT_MS, "pages": shown}))


if __name__ == "__main__":
    sys.exit(main())
