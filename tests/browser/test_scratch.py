from __future__ import annotations
from typing import Any
import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect
from labeling.models import *
from pages import make_history

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OVER = """() => { const a = document.querySelector('.actions').getBoundingClientRect(); 
 return [...document.querySelectorAll('.actions button')].filter(b => getComputedStyle(b).display !== 'none').map(b => { const r = b.getBoundingClientRect(); 
  return b.scrollWidth > b.clientWidth + 1 || r.right > a.right + 1 || r.left < a.left - 1 || r.right > innerWidth ? b.textContent.trim() : null}).filter(Boolean) }"""
ROWS = """() => { const c = document.querySelector('#choices'); const rows = {}; for (const b of c.children) { const r = b.getBoundingClientRect(); (rows[r.top] ??= []).push(r) }
 return Object.values(rows).map(r => [r.length, Math.round(c.getBoundingClientRect().right - r.at(-1).right), Math.round(r[0].width)].join('/')).join(' ') }"""

def test_actions(open_screen: Any, screenshot: Any) -> None:
    for slug, n, grids in (("a", 6, False), ("b", 30, False), ("c", 7, True)):
        project = make_project(slug, kind="text", classes=[f"class {i}" if slug != "c" else f"a longer class {i}" for i in range(n)], grids=grids)
        make_open_batch(project, make_items(project, 5))
        screen = open_screen(project, make_member(project, "annie"))
        for width in [*range(320, 1441, 40)]:
            screen.page.set_viewport_size({"width": width, "height": 700})
            screen.page.wait_for_timeout(60)
            over = screen.page.evaluate(OVER)
            if over: print(slug, width, over)
            if n < 11 and width % 160 == 0: print(slug, width, screen.page.evaluate(ROWS))
        screen.page.set_viewport_size({"width": 800, "height": 700})
        screen.page.screenshot(path=f"tests/screenshots/scratch-actions-{slug}.png")

def test_lost_reply(open_screen: Any) -> None:
    project = make_project("a")
    make_open_batch(project, make_items(project, 8))
    screen = open_screen(project, make_member(project, "annie"))
    page = screen.page
    screen.answer("1", "2", "3")
    screen.wait_until_sent()
    def lose(route):
        route.fetch(); route.abort()
    page.route("**/annotations/", lose)
    screen.answer("4")
    page.wait_for_timeout(400)
    print(page.locator("#batch-text").inner_text())
    page.context.set_offline(True)
    screen.press("Backspace")
    page.wait_for_timeout(300)
    print("undone", page.locator("#batch-text").inner_text())
    page.unroute("**/annotations/")
    page.context.set_offline(False)
    for _ in range(16):
        page.wait_for_timeout(1000)
        print("online:", page.locator("#batch-text").inner_text(), page.evaluate("Object.keys(localStorage).length"), end=" | ")

def test_models(open_page: Any) -> None:
    project = make_project(name="Digits")
    make_history(project, 3)
    ModelVersion.objects.filter(number=2).update(held_back=True, gate={"against": 2, "n": 212, "gained": 4, "lost": 19})
    for role in (Role.MANAGER, Role.ENGINEER):
        page = open_page(make_member(project, "mona" + role, role), "/p/digits/models/")
        page.screenshot(path=f"tests/screenshots/scratch-models-{role}.png")
        page.goto("/p/digits/models/3/")
        page.screenshot(path=f"tests/screenshots/scratch-model-{role}.png")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto("/p/digits/models/")
        page.screenshot(path=f"tests/screenshots/scratch-models-{role}-phone.png")
