"""Test that each line of the log is one JSON object that names its step, and that every response has an id that is in
the log.
"""

import io
import json
import logging
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from factories import make_project
from prometheus_client import REGISTRY

from labeling.loop.step import ComputeAway, Step, StepFailed, StepLost
from labeling.models import Job
from labeling.observing import logs
from labeling.steps.running.worker import Worker


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return the stream with the test's log lines."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_no_message_breaks_a_line_and_a_traceback_is_part_of_it(stream: io.StringIO) -> None:
    texts = ['{"level": "INFO"}', "two\nlines\r\n", "\u2028 \x85 \x00 \x1b[31m", "é"]
    for text in texts:
        logging.getLogger("labeling.test").warning("About %s", text)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("labeling.test").exception("Failed.")
    *said, failed = lines(stream)
    assert failed["exception"].endswith("ValueError: first\nsecond")
    for line, text in zip(said, texts, strict=True):
        assert line["message"] == f"About {text}"
        assert (line["level"], line["logger"]) == ("WARNING", "labeling.test")
        assert line["time"].endswith("+00:00")


def test_fields_hold_within_their_block(stream: io.StringIO) -> None:
    logs.begin(request_id="one")
    with logs.about(job_id=7):
        logging.warning("inside")
    logging.warning("behind")
    logs.begin()
    inside, behind = lines(stream)
    assert (inside["request_id"], inside["job_id"]) == ("one", 7)
    assert behind["request_id"] == "one"
    assert "job_id" not in behind


def test_a_message_passes_once_in_a_while(stream: io.StringIO) -> None:
    logger = logging.getLogger("labeling.test.seldom")
    logger.addFilter(seldom := logs.Seldom(600))
    for number in range(3):
        logger.warning("Attempt %s failed.", number)
    logger.warning("Another.")
    logger.removeFilter(seldom)
    assert [line["message"] for line in lines(stream)] == ["Attempt 0 failed.", "Another."]


@pytest.mark.django_db(transaction=True)
def test_a_step_is_named_in_its_lines_and_counted_by_outcome(stream: io.StringIO) -> None:
    problems: list[tuple[Exception | None, str]] = [
        (None, "gave_way"),
        (StepFailed("no items"), "failed"),
        (StepLost(), "lost"),
        (ComputeAway("the cluster has gone"), "put_off"),
        (ZeroDivisionError("a defect"), "failed"),
    ]
    for number, (problem, outcome) in enumerate(problems):
        job = Job.objects.enqueue(Job.Kind.SURVEY, project=make_project(f"p{number}"))
        stream.seek(0)
        stream.truncate()  # the audit log's line of the new project

        def run(step: Step, problem: Exception | None = problem) -> None:
            logging.getLogger("labeling.steps.test").warning("At work.")
            if problem:
                raise problem

        worker, before = Worker(run), counted(outcome)
        assert Job.objects.take(job, worker.name, job.run_after)
        worker.execute(Step(job))
        assert counted(outcome) == before + 1, outcome
        written = lines(stream)
        assert len(written) >= 2
        assert {line["job_id"] for line in written} == {job.pk}
        assert {line["job_kind"] for line in written} == {"survey"}


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("marginalia_job_seconds_count", {"kind": "survey", "outcome": outcome}) or 0


PROXY, CLIENT = "10.0.0.1", "198.51.100.7"


def answered_with(sent: str | None, peer: str = PROXY) -> str:
    headers = {} if sent is None else {"HTTP_X_REQUEST_ID": sent}
    return str(Client().get("/healthz", REMOTE_ADDR=peer, **headers)["X-Request-ID"])


def is_made(request_id: str) -> bool:
    return len(request_id) == 32 and int(request_id, 16) >= 0


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network(PROXY)]


BAD = [
    "",
    "short",
    "a" * 65,
    "two words",
    "a-line\nb-line",
    "a-line\r\nSet-Cookie: a=b",
    '"},{"level":"',
    "%0a%0d-id",
    "é" * 9,
]


@pytest.mark.django_db
def test_the_id_of_a_trusted_proxy_is_kept_if_it_is_a_plain_word_and_otherwise_each_request_gets_its_own() -> None:
    assert answered_with("7f3a-0001.proxy_A") == "7f3a-0001.proxy_A"
    made = {answered_with(None) for _ in range(3)}
    assert len(made) == 3
    assert all(map(is_made, made))
    for sent in BAD:
        assert is_made(answered_with(sent)), sent
    assert is_made(answered_with("chosen-by-a-client", peer=CLIENT))


@pytest.mark.django_db
def test_an_id_makes_nobody_somebody_behind_a_proxy(settings: Any) -> None:
    settings.METRICS_FROM = [ip_network("127.0.0.1")]
    answer = Client().get("/metrics", HTTP_HOST="127.0.0.1:8000", HTTP_X_REQUEST_ID="of-the-monitor")
    assert answer.status_code == 200
