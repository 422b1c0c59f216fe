"""The strip of near-copies on the annotator's screen, driven as a person would."""

import re
from typing import Any

from factories import make_member
from playwright.sync_api import Locator, Page, expect

from labeling.models import CopyAnswer, Project, Task


def strip(page: Page) -> Locator:
    return page.locator("#copies-list .copy")


def copy(page: Page, place: int) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^Copy {place},"))


def heading(page: Page) -> Locator:
    return page.locator("#copies-text")


def open_copies(open_screen: Any, project: Project, **options: Any) -> Any:
    """Open the screen and wait until the first item's copies were loaded and seen."""
    screen = open_screen(project, make_member(project, "annie"), **options)
    see(screen)
    return screen


def see(screen: Any) -> None:
    """Wait as long as a person takes to see the copies on the screen."""
    expect(screen.page.locator('#copies-list .copy[data-state="loading"]')).to_have_count(0)
    screen.look()


def words(task: int) -> dict[int, bool]:
    """Return the standing answer about the copies of a task's item, by the copies' places."""
    source = Task.objects.get(pk=task).shown
    places = {pk: place for place, pk in enumerate(source.copies.order_by("height").values_list("pk", flat=True), 1)}
    answers = CopyAnswer.objects.filter(annotation__task=task, annotation__undone_at=None)
    return {places[pk]: same for pk, same in answers.values_list("copy", "same")}
