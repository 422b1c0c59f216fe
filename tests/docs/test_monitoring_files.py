"""Test that dashboard, alerts and documentation name exactly the exported metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.utils import timezone
from prometheus_client import CollectorRegistry

from labeling.insight import monitoring
from labeling.observing import metrics
from labeling.web.gate.operators import Figures
from labeling.web.gate.requests import CALLS, OTHERS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "deploy/prometheus-rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
PAGE = (ROOT / "docs/how-to/observe.md").read_text(encoding="utf-8")
OUTCOMES = {"done", "failed", "put_off", "gave_way", "lost"}
# What Prometheus itself adds.
ITS_OWN = {"up": {"job", "instance"}}


def exported() -> dict[str, set[str]]:
    """Return the names of the exported series, each with its labels."""
    series = dict(ITS_OWN)
    for metric in (*metrics.WEB, metrics.JOB_SECONDS, metrics.WEBHOOK_TRIES):
        names = ["_bucket", "_sum", "_count"] if metric._type == "histogram" else ["_total"]
        for ending in names:
            series[metric._name + ending] = {*metric._labelnames, *(["le"] if ending == "_bucket" else [])}
    for figure in (*monitoring.disk(), *monitoring.figures(timezone.now())):
        series[figure.name] = set(figure.labels)
    return series | {"marginalia_database_up": set()}


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        child = getattr(node, name, None)
        for each in child if isinstance(child, list) else [child]:
            if each is not None:
                yield from selectors(each)


QUERIES = {
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    },
    **{rule["alert"]: rule["expr"] for rule in RULES},
}


@pytest.mark.django_db
def test_every_query_asks_for_what_is_exported() -> None:
    series = exported()
    for title, query in QUERIES.items():
        asked = list(selectors(promql_parser.parse(query)))
        assert len(asked) == len(re.findall(r"marginalia_\w+|\bup\b", query.replace('job="marginalia', ""))), title
        for selector in asked:
            assert selector.name in series, title
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= series[selector.name] | {"instance", "job"}, title


@pytest.mark.django_db
def test_every_name_is_drawn_or_watched_and_documented() -> None:
    asked = " ".join(QUERIES.values())
    documented = set(re.findall(r"^\| `(marginalia_\w+)` \|", PAGE, re.MULTILINE))
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()} - ITS_OWN.keys()
    assert documented == names
    assert not {name for name in names if name not in asked}


def test_every_alert_has_what_to_do() -> None:
    headings = re.findall(r"^### (Marginalia\w+)$", PAGE, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


def test_words_of_labels_are_documented() -> None:
    for word in {*CALLS.values(), *OTHERS, *OUTCOMES}:
        assert re.search(rf"\b{word}\b", PAGE), word


@pytest.mark.django_db
def test_figures_are_told_without_being_asked_twice(django_assert_num_queries: Any) -> None:
    registry = CollectorRegistry()
    with django_assert_num_queries(10):
        registry.register(Figures())
        assert list(registry.collect())
