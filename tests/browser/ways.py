"""The navigation of a project's pages."""

from playwright.sync_api import Page


def go(page: Page, *titles: str) -> None:
    """Follow links of the navigation: a group, and a page of it if the page is not its first."""
    for title in titles:
        page.get_by_role("navigation").get_by_role("link", name=title, exact=True).first.click()
