"""An engineer's journey in a browser: accuracy, a model and labels, taken out of a loop that really turned."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from factories import digit_png, make_member, make_project
from playwright.sync_api import Locator, Page, expect
from policy import keep_to_policy
from processes import wait_until, worker

from labeling import queue
from labeling.models import Project, Role, User
from labeling.uploads import receive

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUICK = {"min_steps": 1, "max_steps": 5}


def import_digits(project: Project, user: User, n: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(n):
            archive.writestr(f"{number:03}.png", digit_png(number))
    receive(project=project, user=user, name="digits.zip", chunks=[buffer.getvalue()], strict=True)


def answer_the_batch(project: Project, user: User) -> None:
    tasks = queue.claim(project=project, user=user, count=100).tasks
    answers = [queue.Answer(id=uuid.uuid4(), task=task.pk, value=task.pk % 10) for task in tasks]
    assert not queue.submit(project=project, user=user, answers=answers).rejected


def download(page: Page, link: Locator) -> Path:
    with page.expect_download() as started:
        link.click()
    return Path(started.value.path())


def test_a_model_and_labels_are_taken_out(open_page: Any) -> None:
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
    expect(page.get_by_role("heading", name="Accuracy is")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)

    ways = page.get_by_role("navigation", name="Digits")
    ways.get_by_role("link", name="Models").click()
    with zipfile.ZipFile(download(page, page.get_by_role("link", name="Download version 1"))) as archive:
        assert set(archive.namelist()) == {"model.safetensors", "manifest.json"}
        assert json.loads(archive.read("manifest.json"))["version"] == 1

    ways.get_by_role("link", name="Batches").click()
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", name="How it was selected")).to_be_visible()
    expect(page.locator("tbody tr").filter(has_text="control").first).to_be_visible()

    ways.get_by_role("link", name="Export").click()
    table = pq.read_table(download(page, page.get_by_role("button", name="Download Parquet")))
    assert table.num_rows == 20
    assert set(table.column("batch").to_pylist()) == {1}
    lines = download(page, page.get_by_role("button", name="Download JSONL")).read_bytes().splitlines()
    assert len(lines) == 20
    page.get_by_label("Which").select_option("2")
    assert download(page, page.get_by_role("button", name="Download CSV")).read_text().count("\n") == 1

    # A token for programs.
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
