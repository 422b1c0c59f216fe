"""The annotator's screen as a person sees and uses it."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

SHOWN = '#content[data-state="item"]'


class Screen:
    """Keys, clicks and looks on one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> None:
        self.page.goto(self.url)
        expect(self.page.locator('#content:not([data-state="loading"])')).to_be_visible()

    def reload(self) -> None:
        self.page.reload()
        expect(self.page.locator('#content:not([data-state="loading"])')).to_be_visible()

    @property
    def task(self) -> int:
        """The task on the screen."""
        return int(self.page.locator("#stage[data-task]").get_attribute("data-task") or 0)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def answer(self, *keys: str) -> list[int]:
        """Answer one item after the other, each by one key. Returns the tasks in the order in which they were seen."""
        seen = []
        for key in keys:
            seen.append(self.task)
            self.press(key)
            expect(self.page.locator(f'#stage[data-task="{seen[-1]}"]')).to_have_count(0)
        return seen

    def wait_until_sent(self) -> None:
        """Wait until the server has taken all that this browser has to send."""
        self.page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.includes(':outbox:'))")

    @property
    def unsent(self) -> Locator:
        return self.page.locator("#unsent")

    @property
    def told(self) -> Locator:
        return self.page.locator("#told")

    @property
    def title(self) -> Locator:
        """The title of what stands there instead of an item."""
        return self.page.locator("#panel-title")

    @property
    def past(self) -> Locator:
        """The last answers, the newest first."""
        return self.page.locator("#history .past")

    def choice(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)
