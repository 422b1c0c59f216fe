"""What monitoring asks for."""

import pytest
from django.test import Client
from factories import make_items, make_open_batch, make_project


@pytest.mark.django_db
def test_health_and_metrics_need_no_account_and_tell_no_names(client: Client) -> None:
    project = make_project("secret-plan")
    make_open_batch(project, make_items(project, 2))
    assert client.get("/healthz").json() == {"status": "ok"}
    text = client.get("/metrics").content.decode()
    assert 'marginalia_batches{state="open"} 1.0' in text
    assert 'marginalia_jobs{state="waiting"} 0.0' in text
    assert "secret" not in text
    assert client.post("/healthz").status_code == 405
