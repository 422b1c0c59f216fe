"""Test that an engineer uploads a file in the browser, a worker predicts it, and the result can be downloaded."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from factories import make_member, make_project
from playwright.sync_api import Page, expect
from processes import wait_until, worker

from labeling.intake.uploads import receive
from labeling.models import Role
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUICK = {"min_steps": 1, "max_steps": 5, "learns_from": "labels"}


@pytest.mark.long
def test_a_file_is_predicted_while_one_looks_on(open_page: Any, screenshot: Any, tmp_path: Path) -> None:
    project = make_project(classes=["sport", "food"], batch_size=20, control_share=0.2, training=QUICK)
    annie = make_member(project, "annie")
    rows = "".join(f'{{"text": "{"ball goal" if n % 2 else "soup bread"} {n}"}}\n' for n in range(40))
    receive(project=project, user=annie, name="texts.jsonl", chunks=[rows.encode()], strict=True)
    with worker():
        wait_until(lambda: project.batches.open().exists())
        while tasks := queue.claim(project=project, user=annie, count=50).tasks:
            answers = [Answer(id=uuid.uuid4(), task=task.pk, value=task.pk % 2) for task in tasks]
            assert not submitting.submit(project=project, user=annie, answers=answers).rejected
        wait_until(lambda: project.batches.open().filter(number=2).exists())

    sent = tmp_path / "new.csv"
    sent.write_text("id,text\na,ball\nb,\nc,soup\n")
    page: Page = open_page(make_member(project, "enzo", Role.ENGINEER), "/p/digits/models/1/")
    page.get_by_role("link", name="Try it on a file").click()
    page.get_by_label("File", exact=True).set_input_files(sent)
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("heading", name="new.csv")).to_be_visible()
    expect(page.get_by_text("waiting for its turn")).to_be_visible()
    with worker():
        expect(page.get_by_role("heading", name="All rows")).to_be_visible(timeout=60_000)
    screenshot(page, "engineer-prediction", full=True)
    expect(page.get_by_role("row", name="line 3")).to_contain_text("empty")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download JSONL").click()
    taken = [json.loads(line) for line in Path(started.value.path()).read_text().splitlines()]
    assert [row["external_id"] for row in taken] == ["a", "c"]
    page.get_by_role("button", name="Remove it now").click()
    expect(page.get_by_text("its predictions are removed")).to_be_visible()
