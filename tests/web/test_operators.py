"""Test the endpoints for monitoring."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project


@pytest.mark.django_db
def test_health_and_metrics_need_no_account_and_tell_no_persons(client: Client, settings: Any) -> None:
    settings.METRICS_FROM = [ip_network("127.0.0.1")]
    project = make_project("signs")
    make_open_batch(project, make_items(project, 2))
    make_member(project, "secret-annotator")
    assert client.get("/healthz").json() == {"status": "ok"}
    text = client.get("/metrics", HTTP_HOST="127.0.0.1:8000").content.decode()
    assert 'marginalia_batches{state="open"} 1.0' in text
    assert 'marginalia_jobs{state="waiting"} 0.0' in text
    assert 'marginalia_open_batch_tasks_left{project="signs"} 2.0' in text
    assert "secret" not in text
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_gone_is_told_but_not_where_it_is(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(self: object) -> None:
        raise error('connection to server at "10.0.0.7" failed for user "marginalia"')

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", gone)
    response = Client().get("/healthz")
    assert (response.status_code, response.json()["status"]) == (503, "failing")
    assert b"10.0.0.7" not in response.content
    assert "10.0.0.7" in caplog.text
