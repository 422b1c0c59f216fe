"""Test the pages that predict a file: the form, the progress, the first rows, the files."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from factories import make_project
from pages import errors_of, make_history, make_prediction, member, text_of

from labeling.models import Job, PredictionRun, Project, Role
from labeling.storage.arrays.files import ProjectFiles

pytestmark = pytest.mark.django_db
FORM = "/p/digits/models/1/predict/"
ROWS = b"""{"where":"line 1","external_id":"a.csv:1","label":"3","confidence":0.91,"margin":0.5}
{"where":"line 2","external_id":"a.csv:2","label":"<b>","confidence":0.5,"margin":0.01}
"""


@pytest.fixture
def project() -> Project:
    project = make_project()
    make_history(project, 1)
    return project


def finished(project: Project, **fields: object) -> PredictionRun:
    run = make_prediction(project.versions.get(), name="a.csv")
    values = {"state": "done", "finished_at": timezone.now(), "predicted": 2, "size": len(ROWS), **fields}
    PredictionRun.objects.filter(pk=run.pk).update(**values)
    path = ProjectFiles(project).owned(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ROWS + b"what a killed attempt left")
    return run


def test_a_file_is_sent_and_its_page_tells_how_far_it_is(project: Project) -> None:
    client = member(project, Role.ENGINEER)
    assert errors_of(client.post(FORM, {})) == {"file": "Choose a file."}
    empty = client.post(FORM, {"file": SimpleUploadedFile("a.csv", b"")})
    assert (empty.status_code, errors_of(empty)) == (400, {"file": "This file is empty."})
    assert "Try it on a file" in text_of(client.get("/p/digits/models/1/"))
    assert "No predictions yet." in text_of(client.get(FORM))
    file = SimpleUploadedFile("new.csv", b"text\nhello\n")
    page = client.post(FORM, {"file": file, "probabilities": "on"}, follow=True)
    assert "waiting for its turn" in text_of(page)
    assert "data-unfinished" in page.content.decode()
    run = PredictionRun.objects.get()
    assert (run.name, run.probabilities, run.created_by.username) == ("new.csv", True, "digits-engineer")
    assert "new.csv waiting 0 0" in text_of(client.get(FORM))
    run = make_prediction(project.versions.get(), name="a.csv")
    Job.objects.update(run_after="2026-01-01T00:00Z")
    text = text_of(member(project, Role.ENGINEER).get(f"/p/digits/predictions/{run.pk}/"))
    assert "no worker is running" in text


def test_the_first_rows_and_the_files_until_it_is_removed(project: Project) -> None:
    run = finished(project)
    client = member(project, Role.ENGINEER)
    page = client.get(f"/p/digits/predictions/{run.pk}/")
    assert "line 1 3 91.0 % 0.500 line 2 <b> 50.0 % 0.010" in text_of(page)
    assert "<b>" not in page.content.decode(), "names are text"
    for name in ("parquet", "jsonl", "csv"):
        assert f"/api/v1/projects/digits/predictions/{run.pk}/result/?format={name}" in page.content.decode()
    page = client.post(f"/p/digits/predictions/{run.pk}/remove/", follow=True)
    assert "a.csv and its predictions are removed." in text_of(page)
    assert not ProjectFiles(project).owned(run).exists()
    assert client.get(f"/p/digits/predictions/{run.pk}/").status_code == 404


def test_a_failure_and_what_was_left_out_are_told(project: Project) -> None:
    rejections = [{"where": "line 7", "reason": "The line is too long."}]
    run = finished(project, state="failed", reason="a.csv: is damaged", rejected=3, rejections=rejections)
    text = text_of(member(project, Role.ENGINEER).get(f"/p/digits/predictions/{run.pk}/"))
    assert "a.csv: is damaged" in text
    assert "line 7 The line is too long." in text
    assert "These are the first 1." in text
