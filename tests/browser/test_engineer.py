"""Test an engineer's journey in a browser: accuracy, a model and labels of a project whose loop ran."""

import io
import json
import re
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import safetensors.numpy
from factories import digit_png, make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Locator, Page, expect
from policy import keep_to_policy
from processes import wait_until, worker
from ways import go

from labeling.intake.uploads import receive
from labeling.models import Project, Role, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUICK = {"min_steps": 1, "max_steps": 5, "learns_from": "labels"}


def import_digits(project: Project, user: User, n: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(n):
            archive.writestr(f"{number:03}.png", digit_png(number))
    receive(project=project, user=user, name="digits.zip", chunks=[buffer.getvalue()], strict=True)


def answer_the_batch(project: Project, user: User) -> None:
    while tasks := queue.claim(project=project, user=user, count=100).tasks:
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.pk % 10) for task in tasks]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected


def download(page: Page, link: Locator) -> Path:
    with page.expect_download() as started:
        link.click()
    return Path(started.value.path())


@pytest.mark.long
def test_a_model_and_labels_are_taken_out(open_page: Any, screenshot: Any) -> None:
    project = make_project(kind="image", batch_size=20, control_share=0.3, training=QUICK, name="Digits")
    annie = make_member(project, "annie")
    import_digits(project, annie, 60)
    with worker():
        wait_until(lambda: project.batches.open().exists())
        answer_the_batch(project, annie)
        wait_until(lambda: project.batches.open().filter(number=2).exists())

    page: Page = open_page(make_member(project, "enzo", Role.ENGINEER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/")
    expect(page.get_by_role("heading", name="Not enough data yet")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)

    screenshot(page, "engineer-overview", full=True)

    go(page, "Models")
    screenshot(page, "engineer-models", full=True)
    page.get_by_role("row").filter(has_text="%").get_by_role("link", name="1", exact=True).first.click()
    expect(page.get_by_role("heading", name="Model version 1")).to_be_visible()
    page.get_by_text("The manifest", exact=True).click()
    screenshot(page, "engineer-model", full=True)
    with zipfile.ZipFile(download(page, page.get_by_role("link", name="Download"))) as archive:
        assert set(archive.namelist()) == {"README.md", "manifest.json", "model.safetensors"}
        assert json.loads(archive.read("manifest.json"))["version"] == 1
        assert safetensors.numpy.load(archive.read("model.safetensors"))

    go(page, "Insights")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", name="How it was picked")).to_be_visible()
    page.get_by_text("Why each task was picked").click()
    expect(page.locator("tbody tr").filter(has_text="control").first).to_be_visible()

    go(page, "Data", "Export")
    counted = page.locator("#counted")
    expect(counted).to_have_text("20 rows")
    expect(page.get_by_role("button", name="Count the rows")).to_be_hidden()  # scripts are there
    rows = pd.read_parquet(download(page, page.get_by_role("button", name="Download Parquet")))
    assert len(rows) == 20
    assert set(rows.batch) == {1}
    assert rows.control_weight.sum() == pytest.approx(60)
    lines = download(page, page.get_by_role("button", name="Download JSONL")).read_bytes().splitlines()
    assert len(lines) == 20
    with zipfile.ZipFile(download(page, page.get_by_role("button", name="Download files by class"))) as archive:
        assert len(archive.namelist()) == 20
        assert all(len(name.split("/")) == 3 for name in archive.namelist())
    # Rows are counted while filters are set, and what is wrong is told beside the field, which keeps the focus.
    page.get_by_text("Choose rows").click()
    page.get_by_label("Control items").select_option("without")
    n_control = int(rows.is_control.sum())
    expect(counted).to_have_text(f"{20 - n_control} rows")
    expect(page.locator("#command")).to_contain_text("control=without")
    assert page.url.endswith("?control=without")
    page.get_by_label("Batches").fill("9")
    expect(counted).to_contain_text("These filters cannot be used.")
    expect(page.locator(".field.has-error .errorlist")).to_have_text(
        "This project has no batch 9; its batches are 1 to 2."
    )
    expect(page.get_by_label("Batches")).to_be_focused()
    expect(page.get_by_label("Batches")).to_have_attribute("aria-invalid", "true")
    screenshot(page, "engineer-export-wrong", full=True)
    page.get_by_label("Batches").fill("1-2")
    expect(counted).to_have_text(f"{20 - n_control} rows")
    expect(page.locator(".errorlist")).to_have_count(0)
    short = pd.read_csv(download(page, page.get_by_role("button", name="Download CSV")), dtype=str)
    assert list(short) == ["external_id", "file_name", "label", "labeled_by", "labeled_at", "origin"]
    assert len(short) == 20 - n_control
    page.get_by_label("Columns of the CSV").select_option("All columns")
    expect(page.locator("#command")).to_contain_text("columns=full")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    assert started.value.suggested_filename == "digits-batches-1-2-without-control.csv"
    table = pd.read_csv(started.value.path())
    assert len(table) == 20 - n_control
    assert not table.is_control.any()
    # The page can be kept with its filters, which are in view again.
    page.reload()
    expect(page.get_by_label("Batches")).to_be_visible()
    expect(page.get_by_label("Batches")).to_have_value("1-2")
    expect(counted).to_have_text(f"{20 - n_control} rows")
    screenshot(page, "engineer-export", full=True)

    # A token for programs.
    page.get_by_text("From a program").click()
    page.get_by_role("link", name="your account", exact=True).click()
    page.get_by_role("button", name="Create a token").click()
    token = page.locator("#secret").inner_text()
    headers = {"Authorization": f"Token {token}"}
    assert page.request.get("/api/v1/projects/digits/models/", headers=headers).json()["count"] == 1
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    page.context.clear_cookies()
    assert page.request.get("/api/v1/projects/digits/models/", headers=headers).status == 401
    assert said == []


def test_the_csv_is_in_view_and_chosen_rows_stay_so(open_page: Any, screenshot: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 4, label=1))
    enzo = make_member(project, "enzo", Role.ENGINEER)
    for size, scheme in (((1366, 768), "light"), ((390, 844), "dark")):
        page = open_page(
            enzo, "/p/digits/export/", viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme
        )
        expect(page.get_by_role("button", name="Download CSV")).to_be_in_viewport(ratio=1)
        expect(page.get_by_label("Batches")).to_be_hidden()
        screenshot(page, f"export-{scheme}", full=True)
        page.get_by_text("Choose rows").press("Enter")
        page.get_by_label("Batches").fill("1")
        expect(page).to_have_url(re.compile("batch=1"))
        screenshot(page, f"export-rows-{scheme}", full=True)
        page.reload()
        expect(page.get_by_label("Batches")).to_be_visible()
