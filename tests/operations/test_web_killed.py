"""Test that `kill -9` of web processes loses no acknowledged answer, and that no answer counts twice."""

import os
import signal
import threading
import time
import uuid
from pathlib import Path

import httpx
import pytest
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from processes import ON_LINUX, wait_until, web

from labeling.models import Annotation, Job

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]

ITEMS, PEOPLE, KILLS = 400, 4, 4


class Person(threading.Thread):
    """Claims and answers until no task is left, and repeats requests without a response, like the annotators' page."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[uuid.UUID] = []
        self.broken = 0
        self._url = f"http://127.0.0.1:{port}/api/v1/projects/digits/"
        self._headers = {"Authorization": f"Token {token}"}

    def run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=30, trust_env=False) as http:
            while tasks := self._post(http, "claim/", {"count": 5})["tasks"]:
                answers = [{"id": str(uuid.uuid4()), "task": task["id"], "value": "1"} for task in tasks]
                told = self._post(http, "annotations/", {"annotations": answers})
                assert not told["rejected"]
                self.acknowledged += map(uuid.UUID, told["accepted"])

    def _post(self, http: httpx.Client, path: str, body: dict) -> dict:
        while True:
            try:
                answer = http.post(self._url + path, json=body)
            except httpx.TransportError:
                self.broken += 1
                time.sleep(0.01)
                continue
            assert answer.status_code == 200, answer.text
            return answer.json()


def test_no_acknowledged_answer_is_lost_and_none_is_doubled() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, ITEMS))
    tokens = [AuthToken.objects.create(make_member(project, f"ann{number}"))[1] for number in range(PEOPLE)]
    with web(WEB_CONCURRENCY="2") as (master, port):
        people = [Person(port, token) for token in tokens]
        for person in people:
            person.start()
        for kill in range(1, KILLS + 1):
            wait_until(lambda kill=kill: Annotation.objects.count() >= kill * ITEMS // (KILLS + 1))
            os.kill(_children(master.pid)[0], signal.SIGKILL)
        for person in people:
            person.join(60)
            assert not person.is_alive()

    acknowledged = [answer for person in people for answer in person.acknowledged]
    assert any(person.broken for person in people), "no request was cut off"
    assert sorted(Annotation.objects.values_list("pk", flat=True)) == sorted(acknowledged)
    assert sorted(Annotation.objects.values_list("task", flat=True)) == sorted(batch.tasks.values_list("pk", flat=True))
    batch.refresh_from_db()
    assert (batch.state, batch.remaining, batch.labeled) == ("training", 0, ITEMS)
    assert Job.objects.filter(kind=Job.Kind.TRAIN).count() == 1


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
