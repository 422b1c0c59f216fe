"""Test the queue's metrics: claims by result, waiting times, expired leases, received bytes."""

import datetime
from io import BytesIO

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from operations.servers import free_port
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from labeling.insight import monitoring
from labeling.models import Assignment, Batch, Job, Membership, Project, Role
from labeling.observing import metrics

pytestmark = pytest.mark.django_db


class Counts:
    """The rise of each count since this object was created."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[tuple[str, ...], float]:
        samples = (sample for family in REGISTRY.collect() for sample in family.samples)
        return {(each.name, *each.labels.values()): each.value for each in samples}

    def __getitem__(self, name: str | tuple[str, ...]) -> float:
        key = name if isinstance(name, tuple) else (name,)
        return self._now().get(key, 0) - self._before.get(key, 0)


def start(items: int) -> tuple[Project, list[APIClient]]:
    project = make_project("signs", lease_seconds=180)
    if items:
        make_open_batch(project, make_items(project, items))
    clients = [APIClient(), APIClient()]
    for client, name in zip(clients, ("ann", "bob"), strict=True):
        client.force_authenticate(make_member(project, name))
    return project, clients


def claim(client: APIClient) -> int:
    answer = client.post("/api/v1/projects/signs/claim/", {"count": 10}, format="json")
    assert answer.status_code == 200
    return len(answer.json()["tasks"])


def pass_time(**time: float) -> None:
    for member in Membership.objects.filter(waiting_since__isnull=False):
        Membership.objects.filter(pk=member.pk).update(waiting_since=member.waiting_since - datetime.timedelta(**time))


def test_requests_are_timed_by_what_was_asked_for() -> None:
    _, (ann, _) = start(2)
    counts = Counts()
    claim(ann)
    ann.post("/api/v1/projects/signs/annotations/", {"annotations": 7}, format="json")
    ann.get("/api/v1/projects/")
    ann.get("/no/such/page/")
    for call, status in (("claim", "2xx"), ("submit", "4xx"), ("api", "2xx"), ("other", "4xx")):
        assert counts["marginalia_request_seconds_count", call, status] == 1, call


@pytest.mark.parametrize(("hours", "least", "most"), [(1 / 40, 90, 150), (16, 3600, 3600)])
def test_a_wait_is_counted_when_it_is_over_but_whoever_left_counts_for_an_hour(
    hours: float, least: int, most: int
) -> None:
    project, (ann, bob) = start(1)
    counts = Counts()
    assert (claim(ann), claim(bob), claim(bob)) == (1, 0, 0)
    pass_time(hours=hours)
    assert counts["marginalia_idle_seconds_total"] == 0
    ann.post("/api/v1/projects/signs/release/", {}, format="json")
    assert claim(bob) == 1
    assert least <= counts["marginalia_idle_seconds_total"] <= most
    assert counts["marginalia_claims_total", "all_taken"] == 2
    assert counts["marginalia_claims_total", "tasks"] == 2
    assert not project.memberships.filter(waiting_since__isnull=False).exists()


def test_nobody_waits_where_there_is_nothing_to_wait_for_and_bytes_that_arrive_are_counted() -> None:
    project, (ann, _) = start(0)
    counts = Counts()
    assert claim(ann) == 0
    assert counts["marginalia_claims_total", "no_items"] == 1
    assert not project.memberships.filter(waiting_since__isnull=False).exists()
    manager = APIClient()
    manager.force_authenticate(make_member(project, "mia", Role.MANAGER))
    file = BytesIO(b"id,text\n1,stop\n")
    file.name = "signs.csv"
    assert manager.post("/api/v1/projects/signs/items/", {"file": file}).status_code in (200, 201, 202)
    assert counts["marginalia_upload_bytes_total"] == len(file.getvalue())


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_ran_out_is_counted_when_somebody_else_gets_the_task() -> None:
    _, (ann, bob) = start(3)
    counts = Counts()
    assert claim(ann) == 3
    Assignment.objects.update(lease_expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert counts["marginalia_lease_timeouts_total"] == 0
    assert claim(bob) == 3
    assert counts["marginalia_lease_timeouts_total"] == 3


def test_figures_take_the_same_queries_for_many_projects(django_assert_num_queries: object) -> None:
    now = timezone.now()
    for name in ("a", "b", "c"):
        project = make_project(name)
        make_open_batch(project, make_items(project, 2))
        Job.objects.enqueue(Job.Kind.SURVEY, project=project)
    Job.objects.update(run_after=now - datetime.timedelta(seconds=70))
    Batch.objects.update(opened_at=now - datetime.timedelta(hours=2))
    with django_assert_num_queries(10):  # type: ignore[operator]
        figures = {each.name: each.values for each in monitoring.figures(now)}
    assert figures["marginalia_due_jobs"][("survey",)] == 3
    assert figures["marginalia_oldest_due_job_seconds"][("survey",)] == 70
    assert figures["marginalia_oldest_due_job_seconds"][("train",)] == 0
    assert figures["marginalia_open_batch_age_seconds"] == {(name,): 7200 for name in ("a", "b", "c")}
    assert figures["marginalia_open_batch_tasks_left"] == {(name,): 2 for name in ("a", "b", "c")}


def test_a_worker_answers_where_the_setting_says_and_only_there(settings: object) -> None:
    address = f"127.0.0.1:{free_port()}"
    metrics.serve(address)
    assert "marginalia_job_seconds" in httpx.get(f"http://{address}/metrics").text
    settings.WORKER_METRICS = address  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match=f"WORKER_METRICS: {address} cannot be used"):
        call_command("worker", "--drain")
