"""Test that each line of the log is one JSON object that names its step."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
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


@pytest.mark.parametrize("text", ['{"level": "INFO"}', "two\nlines\r\n", "\u2028 \x85 \x00 \x1b[31m", "é"])
def test_no_message_breaks_a_line(text: str, stream: io.StringIO) -> None:
    logging.getLogger("labeling.test").warning("About %s", text)
    [line] = lines(stream)
    assert line["message"] == f"About {text}"
    assert (line["level"], line["logger"]) == ("WARNING", "labeling.test")
    assert line["time"].endswith("+00:00")


def test_a_traceback_is_part_of_its_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("labeling.test").exception("Failed.")
    [line] = lines(stream)
    assert line["exception"].endswith("ValueError: first\nsecond")


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
