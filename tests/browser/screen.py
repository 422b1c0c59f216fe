"""The annotator's screen, driven as a person would."""

from playwright.sync_api import Locator, Page, expect

LOOKS_MS, MOST_PRESSES = 60, 10
SEES_MS = 350
SHOWN = '#content[data-state="item"]'


class Screen:
    """Sends keys and clicks to one page, and reads it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> None:
        self.page.goto(self.url)
        self._wait()

    def reload(self) -> None:
        self.page.reload()
        self._wait()

    def _wait(self) -> None:
        expect(self.page.locator('#content:not([data-state="loading"])')).to_be_visible()
        self.look()

    @property
    def task(self) -> int:
        """Return the id of the task on the screen."""
        return int(self.page.locator("#stage[data-task]").get_attribute("data-task") or 0)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def answer(self, *keys: str) -> list[int]:
        """Answer one item after the other, each with one key. Return the tasks in the order shown.

        The page ignores a key that comes too soon for a person to have seen the item; it is pressed again.
        """
        seen = []
        for key in keys:
            seen.append(self.task)
            shown = self.page.locator(f'#stage[data-task="{seen[-1]}"]')
            for _ in range(MOST_PRESSES):
                self.press(key)
                if not shown.count():
                    break
                self.page.wait_for_timeout(LOOKS_MS)
            expect(shown).to_have_count(0)
        return seen

    def look(self) -> None:
        """Wait as long as a person takes to see the item."""
        self.page.wait_for_timeout(SEES_MS)

    def wait_until_sent(self) -> None:
        """Wait until the server has all answers of this browser."""
        self.page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.includes(':outbox:'))")

    @property
    def unsent(self) -> Locator:
        return self.page.locator("#unsent")

    @property
    def told(self) -> Locator:
        return self.page.locator("#told")

    @property
    def title(self) -> Locator:
        """Return the title of the panel that replaces the item."""
        return self.page.locator("#panel-title")

    @property
    def past(self) -> Locator:
        """Return the last answers, the newest first."""
        return self.page.locator("#history .past")

    def choice(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)
