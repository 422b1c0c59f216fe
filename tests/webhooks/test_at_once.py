"""Test that several workers send each message once and in order, and that a killed one loses none."""

import signal
import threading
import time
from collections import defaultdict

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from factories import make_project
from processes import manage, wait_until
from receivers import Receiver
from standardwebhooks import Webhook as Verifier

from labeling.loop import batches
from labeling.models import Batch, Delivery, Event, EventType, Project, Webhook
from labeling.outside.webhooks import changing, delivering

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS, WEBHOOKS, EVENTS = 4, 3, 12


def announce(project: Project, number: int) -> None:
    with transaction.atomic():
        Event.objects.announce(EventType.BATCH_DONE, project, number=number)


def together(work: list[threading.Thread]) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()


def test_several_workers_send_each_message_once_and_in_order(server: Receiver) -> None:
    project = make_project()
    for number in range(WEBHOOKS):
        changing.add(project=project, url=f"{server.url}/{number}", events=[EventType.BATCH_DONE])

    def write(first: int) -> None:
        for number in range(first, EVENTS, 2):
            announce(project, number)
        connection.close()

    def send() -> None:
        while Delivery.objects.waiting().exists():
            delivering.deliver()
        connection.close()

    together([threading.Thread(target=write, args=(first,)) for first in (0, 1)])
    together([threading.Thread(target=send) for _ in range(WORKERS)])
    got: dict[str, list[str]] = defaultdict(list)
    for request in server.got:
        got[request.path].append(request.headers["webhook-id"])
    order = [event.message_id for event in Event.objects.order_by("pk")]
    assert got == {f"/hook/{number}": order for number in range(WEBHOOKS)}
    assert not Webhook.objects.exclude(held_by="").exists()


def test_a_claim_and_an_answer_that_open_the_same_batch_do_not_wait_for_each_other(server: Receiver) -> None:
    project = make_project()
    changing.add(project=project, url=server.url, events=[EventType.BATCH_OPENED])
    batch = project.batches.create(number=1, state=Batch.State.READY)
    locked, faults = threading.Event(), []

    def answer() -> None:
        try:
            with transaction.atomic():
                Project.objects.select_for_update(no_key=True).get(pk=project.pk)
                locked.set()
                time.sleep(0.5)
                batches.open_ready(project)
        except OperationalError as error:
            faults.append(error)
        connection.close()

    def claim() -> None:
        locked.wait()
        try:
            batches.open_ready(project)
        except OperationalError as error:
            faults.append(error)
        connection.close()

    together([threading.Thread(target=answer), threading.Thread(target=claim)])
    assert faults == []
    batch.refresh_from_db()
    assert batch.state == Batch.State.OPEN
    assert Event.objects.count() == 1


@pytest.mark.long
def test_a_message_of_a_killed_worker_is_sent_again(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING_ALLOWED_NETWORKS", "127.0.0.0/8")
    project = make_project()
    _, secret = changing.add(project=project, url=server.url, events=[EventType.BATCH_DONE])
    announce(project, 1)
    announce(project, 2)
    server.seconds = 60
    first = manage("worker")
    wait_until(lambda: len(server.got) == 1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert Delivery.objects.waiting().count() == 2
    server.seconds = 0
    Webhook.objects.update(held_until=timezone.now())  # a minute passes
    assert manage("worker", "--drain").wait() == 0
    bodies = [Verifier(secret).verify(request.body, request.headers)["data"]["number"] for request in server.got]
    ids = [request.headers["webhook-id"] for request in server.got]
    assert bodies == [1, 1, 2]
    assert ids[0] == ids[1]
