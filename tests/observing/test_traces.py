"""Test what processes report: traces without any label data, the counts of all processes, and a missing collector
that delays nothing.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from factories import make_items, make_project
from observing.collector import collector
from operations.servers import free_port, web_server
from processes import manage, wait_until

from labeling.models import Job
from labeling.observing import traces
from labeling.observing.traces.recorder import Recorder

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
SLUG = "the-slug"


def test_requests_arrive_by_route_and_each_process_has_the_counts_of_all(tmp_path: Path) -> None:
    """Processes send their spans when they end, so that the collector has those of each process."""
    with collector() as received:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0",
            "LOG_FORMAT": "json",
            "METRICS_TOKEN": TOKEN,
            "TRUSTED_PROXIES": "127.0.0.1",
            "TMPDIR": str(tmp_path),
        }
        with web_server(tmp_path, **settings) as (port, log):
            asked = 0

            def ask(path: str, headers: dict[str, str]) -> httpx.Response:
                return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=60)

            def both_have_answered() -> bool:
                """Send many requests at once, because one process might answer single ones."""
                nonlocal asked
                with ThreadPoolExecutor(16) as people:
                    answers = list(people.map(lambda _: ask("/healthz", {}), range(16)))
                assert {answer.status_code for answer in answers} == {200}
                asked += len(answers)
                return len(list(tmp_path.glob("marginalia-metrics-*/histogram_*.db"))) >= 3  # and that of the master

            wait_until(both_have_answered)
            for _ in range(3):
                text = ask("/metrics", {"Authorization": f"Bearer {TOKEN}"}).text
                assert f'marginalia_request_seconds_count{{call="page",status="2xx"}} {asked}.0' in text
                asked += 1  # this one
            assert "marginalia_database_up 0.0" in text  # it has no tables
            with ThreadPoolExecutor(16) as people:
                assert {answer.status_code for answer in people.map(lambda _: ask("/healthz", SAMPLED), range(32))} == {
                    200
                }
            ask(f"/api/v1/projects/{SLUG}/?q=the-words", SAMPLED)
            failed = ask("/login/", SAMPLED | {"X-Request-ID": "from-the-proxy"})
            assert (failed.status_code, failed.headers["X-Request-ID"]) == (500, "from-the-proxy")
    assert not list(tmp_path.glob("marginalia-metrics-*"))
    spans = received.spans()
    by_name = {span.name: span for span in spans}
    assert by_name.keys() == {"GET /healthz", "GET /api/v1/projects/<slug:slug>/", "GET /login/"}
    assert len(spans) == 34
    assert {(span.service, span.kind) for span in spans} == {("marginalia-web", "SERVER")}
    assert {(span.trace_id, span.parent_id) for span in spans} == {(TRACE_ID, PARENT_ID)}
    login = by_name["GET /login/"]
    assert login.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 500,
        "http.route": "/login/",
        "request_id": "from-the-proxy",
        "error.type": "500",
    }
    assert [span for span in spans if span.failed] == [login]
    sent = b"".join(received.bodies)
    assert not [word for word in (SLUG, "the-words", "no such table", "httpx", "127.0.0.1") if word.encode() in sent]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [line] = [line for line in lines if line["logger"] == "django.request"]
    assert (line["trace_id"], line["span_id"], line["request_id"]) == (TRACE_ID, login.span_id, "from-the-proxy")
    assert "no such table" in line["exception"]


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_jobs_arrive_with_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    project, broken = make_project(SLUG), make_project("broken")
    make_items(project, 5, row=None)
    encode = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    job = Job.objects.enqueue(Job.Kind.SELECT, project=broken)  # of no batch
    with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("LOG_FORMAT", "json")
        _, log = manage("worker", "--drain", apart=True).communicate()
    spans = received.spans()
    jobs = {(span.name, span.attributes["project.id"]): span for span in spans if not span.parent_id}
    assert {(span.service, span.kind) for span in jobs.values()} == {("marginalia-worker", "CONSUMER")}
    encoding, picking = jobs["job encode", project.pk], jobs["job select", project.pk]
    assert encoding.attributes == {
        "job.id": encode.pk,
        "job.kind": "encode",
        "job.attempt": 1,
        "job.outcome": "done",
        "project.id": project.pk,
    }
    assert picking.attributes["batch.number"] == 1
    failed = jobs["job select", broken.pk]
    assert [span for span in spans if span.failed] == [failed]
    assert failed.attributes["job.outcome"] == "failed"
    parts = {span.name: [part.name for part in spans if part.parent_id == span.span_id] for span in (encoding, picking)}
    assert parts == {
        "job encode": ["fitting the encoder", "encoding items anew", "encoding items"],
        "job select": ["picking the batch", "writing the batch"],
    }
    sent = b"".join(received.bodies)
    assert not [word for word in (SLUG, "text number", "item-0", "Assertion") if word.encode() in sent]
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["trace_id"] for line in lines if line.get("job_id") == job.pk} == {failed.trace_id}


@pytest.mark.long
def test_a_collector_that_hangs_holds_no_request_up(tmp_path: Path) -> None:
    with collector(hangs=True) as received:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.url,
            "OTEL_BSP_SCHEDULE_DELAY": "1",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
            "OTEL_BSP_MAX_QUEUE_SIZE": "2",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
            "WEB_CONCURRENCY": "1",
        }
        with web_server(tmp_path, **settings) as (port, log):
            answers = [httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert len(received.bodies) == 1, "it never answered the first"
    assert log.read_text().count("Queue full") == 1


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_collector_that_is_away_holds_no_job_up(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    process = manage("worker", "--drain")
    log, _ = process.communicate()
    job.refresh_from_db()
    assert (process.returncode, job.state) == (0, Job.State.DONE), log
    assert log.count("encountered while exporting span") == 1


def test_what_is_handed_out_may_end_after_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator may end after its job: its span belongs to the job in which it began and contains no other."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        recorder = Recorder("test")

        def results() -> Iterator[int]:
            with recorder.beside("ray count") as span:
                yield 1
                span.tell({"ray.calls": 2})
                yield 2

        with recorder.job("job survey"):
            numbers, ids = results(), recorder.ids()
            assert next(numbers) == 1
            assert recorder.ids() == ids
        assert recorder.ids() == {}
        assert next(numbers) == 2
        del numbers
        wait_until(lambda: len(received.spans()) == 2)
    job, calls = received.spans()
    assert (calls.name, calls.kind, calls.attributes) == ("ray count", "CLIENT", {"ray.calls": 2})
    assert (
        {"trace_id": calls.trace_id, "span_id": calls.parent_id}
        == ids
        == {"trace_id": job.trace_id, "span_id": job.span_id}
    )


@pytest.mark.django_db(transaction=True)
def test_without_the_setting_nothing_of_it_is_loaded(settings: Any) -> None:
    assert "labeling.web.gate.requests.Traces" not in settings.MIDDLEWARE
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    program = (
        "import sys; from django.core.management import call_command; call_command('worker', drain=True); "
        "print('loaded' if 'opentelemetry' in sys.modules else 'not loaded')"
    )
    log, _ = manage("shell", "--no-imports", "--command", program).communicate()
    job.refresh_from_db()
    assert (log.splitlines()[-1], job.state) == ("not loaded", Job.State.DONE)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.TRACES = True
    monkeypatch.delitem(sys.modules, "labeling.observing.traces.recorder", raising=False)
    monkeypatch.delattr(traces, "recorder", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(CommandError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT is set.*requirements-traces\.txt$"):
        call_command("worker", "--drain")


TOKEN = "a-token-of-some-length"
