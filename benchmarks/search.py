"""How long it takes to find items by what they say or are like, among a million, and to index what they say.

    python -m benchmarks.search                                  # SQLite
    scripts/with-postgres.sh python -m benchmarks.search         # PostgreSQL
    python -m benchmarks.search --items 100000 --json            # one JSON object

The items are made up: ten words each, drawn by Zipf's law from 30,000, two fields, and 64 features. One in five is
labeled. Each search is a request to the API for the first page of 60, or one far behind, in this process: finding,
counting and reading the items. Indexing is timed as the worker does it, without its pauses.

Exit status: 1 if a search takes longer than the limit (median).
"""

import argparse
import datetime
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import machine, timed
from scripts.installation import Installation, free_port

SLUG = "search"
LIMIT_MS = 300
WORDS, WORDS_AN_ITEM, FEATURES, CHUNK = 30_000, 10, 64, 5_000
DEEP = "1~~{middle}"

SEARCHES: dict[str, dict[str, str]] = {
    "a word that all have": {"q": "every"},
    "the same, far behind": {"q": "every", "sort": "imported", "after": DEEP},
    "a word of six in ten": {"q": "w1x"},
    "a word of one in a hundred": {"q": "w100x"},
    "a rare word": {"q": "w20000x"},
    "no such word": {"q": "nothing"},
    "one item's id": {"q": "text-0012345"},
    "a phrase": {"q": '"w1x w2x"'},
    "a prefix of most words": {"q": "w1"},
    "three frequent words": {"q": "w1x w2x w3x "},
    "frequent and rare": {"q": "w1x w20000x"},
    "a field": {"q": "camera:17"},
    "a field and a word": {"q": "camera:17 w5x"},
    "all have it, labeled": {"q": "every", "state": "labeled"},
    "one in a hundred, labeled": {"q": "w100x", "state": "labeled"},
    "frequent, one class": {"q": "w1x", "label": "class 3"},
    "frequent, least agreement": {"q": "w1x", "sort": "agreement"},
    "frequent, unlabeled": {"q": "w1x", "state": "unlabeled"},
    "like one of them": {"like": "{middle}"},
    "like one of them, labeled": {"like": "{middle}", "state": "labeled"},
    "one class alone": {"label": "class 3"},
    "no filter at all": {},
}


def prepare(items: int) -> Any:
    """Create the project with its items, without an index."""
    from django.utils import timezone

    from labeling.models import Item, Project
    from labeling.projects.create import create_project
    from labeling.storage.arrays.files import ProjectFiles, append_rows

    classes = [f"class {number}" for number in range(10)]
    project = create_project(slug=SLUG, kind="text", classes=classes, settings={"seed": 1})
    rng = random.Random(1)
    now = timezone.now()
    vocabulary = [f"w{rank}x" for rank in range(1, WORDS + 1)]
    totals = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))

    def made() -> Iterator[Item]:
        for row in range(items):
            text = " ".join(["every", *rng.choices(vocabulary, cum_weights=totals, k=WORDS_AN_ITEM)])
            labeled = row % 5 == 0
            yield Item(
                project=project, external_id=f"text-{row:07}", row=row,
                data={"text": text, "camera": row % 97, "year": 2000 + row % 25},
                control_key=(row + 0.5) / items, reserved=row % 100 == 7, label=row // 5 % 10 if labeled else None,
                agreement=rng.choice((0.5, 1.0)) if labeled else None,
                labeled_at=now - datetime.timedelta(seconds=rng.randrange(10**7)) if labeled else None,
            )  # fmt: skip

    rows = made()
    while chunk := list(islice(rows, CHUNK)):
        Item.objects.bulk_create(chunk)
    draw = np.random.default_rng(1)
    path = ProjectFiles(project).features(project.features_generation)
    for start in range(0, items, CHUNK):
        block = draw.standard_normal((min(CHUNK, items - start), FEATURES), dtype=np.float32)
        append_rows(path, rows_before=start, block=block)
    Project.objects.filter(pk=project.pk).update(encoded_rows=items)
    return project


def index(project: Any) -> dict[str, float]:
    """Index all items; return the items per second and the seconds per transaction."""
    from django.db import connection

    from labeling.labels.items import search

    times = []
    index = search._indexes_behind()[0]
    while True:
        took, more = timed(lambda: search._index_part(index))
        if not more:
            break
        times.append(took)
    if connection.vendor == "postgresql":  # PostgreSQL gathers statistics by itself in time, SQLite never does
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "items_per_second": index.project.items.count() / sum(times),
        "p50": 1000 * cuts[49], "p99": 1000 * cuts[98], "max": 1000 * max(times),
    }  # fmt: skip


def ask(project: Any, repeat: int) -> list[dict[str, Any]]:
    from django.test import Client

    from labeling.models import User

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create_superuser("mona"))
    middle = project.items.order_by("pk")[project.items.count() // 2].pk
    results = []
    for name, query in SEARCHES.items():
        asked = {key: value.format(middle=middle) for key, value in query.items()}
        times = []
        for _ in range(repeat + 1):
            started = time.perf_counter()
            answer = client.get(f"/api/v1/projects/{SLUG}/items/", {"page_size": "60", **asked})
            times.append(1000 * (time.perf_counter() - started))
            assert answer.status_code == 200, answer.content
        body = answer.json()
        results.append(
            {
                "search": name, "query": asked, "matches": body["count"], "more": body["more"],
                "p50": statistics.median(times[1:]), "max": max(times[1:]), "first": times[0],
            }
        )  # fmt: skip
    return results


def measure(items: int, repeat: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Installation(Path(folder), free_port(), database=os.environ.get("DATABASE_URL", ""))
        place.manage("migrate", "--verbosity", "0")
        os.environ.update(place.environment)
        import django

        django.setup()
        project = prepare(items)
        indexing = index(project)
        return {"indexing": indexing, "searches": ask(project, repeat)}


def tell(result: dict[str, Any]) -> None:
    indexing = result["indexing"]
    print(
        f"indexing: {indexing['items_per_second']:,.0f} items a second; a transaction takes {indexing['p50']:.1f} ms "
        f"(p99 {indexing['p99']:.1f}, longest {indexing['max']:.1f})\n"
    )
    print(f"{'':<30}{'matches':>10}{'p50 ms':>9}{'max ms':>9}{'first':>9}")
    for each in result["searches"]:
        matches = f"{each['matches']:,}{'+' if each['more'] else ''}"
        print(f"{each['search']:<30}{matches:>10}{each['p50']:>9.1f}{each['max']:>9.1f}{each['first']:>9.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000, help="Items in the project. Default: 1,000,000.")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="Requests for each search. Default: 5.")
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args()
    if options.items < 20_000 or options.repeat < 1:
        parser.error("--items must be at least 20,000, and --repeat at least 1.")
    load = os.getloadavg()[0]
    result = measure(options.items, options.repeat)
    engine = "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
    if options.json:
        print(
            json.dumps(
                {"machine": machine(), "database": engine, "load_before": load, "items": options.items, **result}
            )
        )
    else:
        print(f"{engine}, {options.items:,} items; load before: {load:.1f}")
        tell(result)
    return 1 if any(each["p50"] > LIMIT_MS for each in result["searches"]) else 0


if __name__ == "__main__":
    sys.exit(main())
