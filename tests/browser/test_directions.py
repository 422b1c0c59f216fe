"""Test that right-to-left text in a name does not reorder the text around it."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect

from labeling.models import Item, LabelClass, Project, Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OVERRIDE = "\u202e"
# Whether a text on the page is laid out from left to right, as far as its first line goes.
FORWARD = """(sentence) => {
    const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const edge = (node, at) => {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + 1);
        return range.getBoundingClientRect().left;
    };
    while (nodes.nextNode()) {
        const at = nodes.currentNode.data.indexOf(sentence);
        if (at >= 0) return edge(nodes.currentNode, at) < edge(nodes.currentNode, at + sentence.length - 1);
    }
    return null;
}"""


@pytest.fixture
def project() -> Project:
    """Create a project of an earlier release, whose names have unclosed direction overrides."""
    project = make_project(
        kind="text",
        question="verify",
        classes=["cat", "dog"],
        name=f"Pets{OVERRIDE} of all",
        prompt=f"Is{OVERRIDE} it a",
        show_predictions=True,
    )
    LabelClass.objects.filter(project=project, index=1).update(name=f"do{OVERRIDE}g")
    items = make_items(project, 3, proposed=1, label=True, data={"text": f"A{OVERRIDE} bark", "source": "yard"})
    Item.objects.filter(pk=items[0].pk).update(external_id=f"a{OVERRIDE}b")
    make_open_batch(project, items)
    return project


def forward(page: Page, sentence: str) -> bool:
    laid_out = page.evaluate(FORWARD, sentence)
    assert laid_out is not None, f"{sentence} is not on the page"
    return bool(laid_out)


def left_of(page: Page, one: str, other: str) -> bool:
    first, second = (page.locator(place).bounding_box() for place in (one, other))
    assert first
    assert second
    return bool(first["x"] + first["width"] <= second["x"] + 1)


def test_the_labeling_page(open_screen: Any, project: Project) -> None:
    project.batches.get().tasks.update(predicted=True, confidence=0.9, prompted=True)
    page = open_screen(project, make_member(project, "annie")).page
    expect(page.locator("#item .text")).to_be_visible()
    assert left_of(page, "#prompt", "#proposed")
    assert forward(page, "Suggested: Yes")
    assert forward(page, "yard")
    assert forward(page, "Batch 1")


@pytest.mark.long
def test_the_page_of_an_item(open_page: Any, project: Project) -> None:
    item = project.items.order_by("row")[0]
    page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/digits/items/{item.pk}/")
    assert forward(page, "0 of 1 have answered.")
    assert forward(page, "Asked: is it")
