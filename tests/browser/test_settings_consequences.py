"""Test what the settings page says of consequences in the projects of each kind and question: some lack fields."""

import re
from itertools import product
from typing import Any

import pytest
from factories import make_items, make_member, make_project
from playwright.sync_api import Page, expect

from labeling.kinds import KINDS
from labeling.models import Project, Role
from labeling.questions import QUESTIONS
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.long
def test_consequences_follow_what_is_typed(open_page: Any) -> None:
    project = make_project("irises", kind="vector", classes=["setosa", "virginica"], batch_size=10, control_share=0)
    make_items(project, 40)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    page.goto("/p/irises/settings/")
    expect(page.get_by_label("Most near-copies of an item")).to_have_count(0)
    rounds, hold = page.locator("[data-row=rounds]"), page.locator("[data-row=hold]")
    page.get_by_label("Batch size").fill("20")
    expect(rounds).to_have_text(re.compile(r"4\s+2 until no item is left"))
    page.locator("#people > summary").click()
    page.get_by_label("Longest time with one item, in seconds").fill("600")
    expect(hold).to_have_text(re.compile(r"no limit\s+10\smin then others can get it; time for 120 answers"))
    # A field that is gone, as on a page of an earlier release, ends nothing.
    page.evaluate("document.querySelector('[name=class_guard]').name = 'gone'")
    page.get_by_label("Batch size").fill("40")
    expect(rounds).to_have_text(re.compile(r"4\s+1 until no item is left"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert (Project.objects.get().batch_size, Project.objects.get().max_seconds_per_item) == (40, 600)


@pytest.mark.parametrize(("kind", "question"), some([*product(KINDS, QUESTIONS)]), ids=str)
def test_consequences_follow_in_projects_of_every_kind_and_question(open_page: Any, kind: str, question: str) -> None:
    project = make_project(kind=kind, question=question, classes=["1", "2"], batch_size=10, control_share=0)
    make_items(project, 40)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/settings/")
    rounds = page.locator("[data-row=rounds]")
    expect(rounds).to_have_text(re.compile("4 until no item is left"))
    page.get_by_label("Batch size").fill("20")
    expect(rounds).to_have_text(re.compile(r"4\s+2 until no item is left"))
