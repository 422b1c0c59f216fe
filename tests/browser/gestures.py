"""Clicks, taps and keys at given times.

The page reads the times of input events, which Playwright sets when it sends them: on a busy machine, its double click
is two clicks. These events bear the times of a quick hand, however late they arrive.
"""

import time
from typing import Any

from playwright.sync_api import Locator, Page

TEXTS = {"Enter": "\r"}
CODES = {"Enter": "Enter", " ": "Space"}


class Gestures:
    """Sends input events to one page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._browser = page.context.new_cdp_session(page)

    def double_click(self, target: Locator, *, apart_ms: int = 0) -> None:
        """Click twice on the spot where `target` is now."""
        spot = _middle(target)
        for count, at in self._times(2, apart_ms):
            for kind in ("mousePressed", "mouseReleased"):
                click = {"type": kind, "button": "left", "clickCount": count + 1, "timestamp": at, **spot}
                self._browser.send("Input.dispatchMouseEvent", click)

    def double_tap(self, target: Locator, *, apart_ms: int = 0) -> None:
        """Tap twice on the spot where `target` is now."""
        spot = _middle(target)
        for _, at in self._times(2, apart_ms):
            for kind, points in (("touchStart", [spot]), ("touchEnd", [])):
                self._browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points, "timestamp": at})

    def keys(self, *keys: str, apart_ms: int) -> None:
        """Press and release these keys."""
        for number, at in self._times(len(keys), apart_ms):
            key = keys[number]
            text = TEXTS.get(key, key)
            event = {
                "key": key,
                "code": CODES.get(key, f"Digit{key}"),
                "windowsVirtualKeyCode": ord(text),
                "timestamp": at,
            }
            self._browser.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": text, **event})
            self._browser.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def _times(self, number: int, apart_ms: int) -> Any:
        """Yield numbers from 0, each with the time of its event in seconds, none of which is still to come."""
        start = time.time()
        for each in range(number):
            if each:
                self._page.wait_for_timeout(apart_ms)
            yield each, start + each * apart_ms / 1000


def _middle(target: Locator) -> dict[str, float]:
    target.scroll_into_view_if_needed()  # waits until it moves no more
    box = target.bounding_box()
    assert box is not None
    return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
