"""Test the progress of a batch: its tasks by state, its annotators, and its expected end."""

import datetime
from typing import Any

import pytest

from labeling.insight.pace import Pace
from labeling.insight.work import Contribution, asked_answers_of
from labeling.models import Batch
from labeling.web.batches.running_batch import running

NOW = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
PACE = Pace(seconds=6.0, answers=50, active=2, annotators=3)


def ago(minutes: float) -> datetime.datetime:
    return NOW - datetime.timedelta(minutes=minutes)


ANNIE = Contribution("annie", answers=40, skips=2, held=5, last_at=ago(1))
BERT = Contribution("bert", answers=8, skips=0, held=0, last_at=ago(60))


def told(*parts: Contribution, pace: Pace = PACE, **fields: Any) -> dict[str, Any]:
    batch = Batch(**{"state": "open", "size": 100, "remaining": 50, "overlap": 1, **fields})
    return running(batch, parts, asked_answers_of(batch, parts), pace, NOW)


def test_the_parts_of_the_bar() -> None:
    pieces = told(ANNIE, BERT)["pieces"]
    assert [piece["text"] for piece in pieces] == ["48 answered", "2 skipped", "5 with annotators", "45 open"]
    assert sum(piece["width"] for piece in pieces) == pytest.approx(1000)
    assert pieces[1]["x"] == pytest.approx(480)
    assert told(ANNIE, BERT, overlap=2)["pieces"][-1]["text"] == "145 open"
    assert told(ANNIE, state="done", overlap=2)["pieces"][-1]["text"] == "153 left out"
    assert told(ANNIE, state="done")["outlook"] == ""
    assert told(state="done", strategy="imported")["pieces"][-1]["text"] == "100 imported"
    at_work = {person["row"].username: person["at_work"] for person in told(ANNIE, BERT)["people"]}
    assert at_work == {"annie": True, "bert": False}


def test_when_it_is_likely_to_be_done() -> None:
    for parts, pace, outlook in (
        ([ANNIE, BERT], PACE, "At this pace, done in about 5 min, with one person at work."),
        ([BERT], PACE, "No answers in the last 10 minutes."),
        ([], PACE, ""),
        ([ANNIE], Pace(None, 2, 1, 1), ""),
    ):
        assert told(*parts, pace=pace)["outlook"].replace("\u00a0", " ") == outlook


def test_the_deadline() -> None:
    for hours, share, says in (
        (2, 0.9, "Deadline in 2 h: the batch then ends if it has 40 more answers."),
        (2, 0.5, "Deadline in 2 h: the batch then ends."),
        (-1, 0.51, "The deadline has passed: the batch ends after 1 more answer."),
        (-1, 0.5, "The deadline has passed: the batch ends within a minute."),
    ):
        batch = told(ANNIE, BERT, deadline_at=NOW + datetime.timedelta(hours=hours), complete_share=share)
        assert batch["deadline"].replace("\u00a0", " ") == says
