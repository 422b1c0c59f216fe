"""Test an annotator at a keyboard: answering, searching, skipping, undoing, flagging."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation, Batch, Comment, Item, Task
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Notes, right after the screen has dealt with a key, what it shows.
WATCH = """() => {
  window.seen = [];
  addEventListener("keydown", () => {
    const image = document.querySelector("#item img");
    window.seen.push({ task: document.querySelector("#stage").dataset.task, there: image?.naturalWidth > 0 });
  });
}"""


def values() -> list[Any]:
    """Return the answers in the order of the tasks."""
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


@pytest.mark.long
def test_fifty_digits_without_once_waiting_for_the_next(open_screen: Any) -> None:
    project = make_project(kind="image")
    items = make_items(project, 60)
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"))
    expect(screen.page.locator('#item img[data-state="ready"]')).to_be_visible()
    screen.page.evaluate(WATCH)
    truths = [item.truth for item in items[:50]]
    for truth in truths:
        screen.press(str(truth))
        screen.page.wait_for_timeout(170)
    seen = screen.page.evaluate("seen")
    tasks = list(Task.objects.order_by("rank").values_list("pk", flat=True))
    assert [int(moment["task"]) for moment in seen] == tasks[1:51]
    assert all(moment["there"] for moment in seen)
    screen.wait_until_sent()
    assert values() == truths
    expect(screen.page.locator("#batch-text")).to_have_text("Batch 1 · 50 of 60")
    expect(screen.page.locator("#pace")).to_have_text("50 today")  # no figure a minute: nobody is that quick


def test_a_long_text_scrolls_to_its_ends(open_screen: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3, data={"text": "שורה\n" * 200}))
    screen = open_screen(project, make_member(project, "annie"))
    place = "document.querySelector('#item').scrollTop"
    screen.press("End")
    assert screen.page.evaluate(place) > 1000
    screen.press("Home")
    assert screen.page.evaluate(place) == 0
    screen.answer("1")
    expect(screen.past.first.locator(".excerpt")).to_have_attribute("dir", "auto")


def test_keys_count_from_one_and_the_keyboard_alone_reaches_and_works_everything(open_screen: Any) -> None:
    project = make_project("animals", classes=["cat", "dog", "hen"])
    make_open_batch(project, make_items(project, 5))
    screen = open_screen(project, make_member(project, "annie"))
    screen.answer("1", "3")
    screen.press("4", "0")  # no class bears these
    screen.wait_until_sent()
    assert values() == [0, 2]
    wanted = ["cat", "dog", "hen", "Undo", "Skip", "Flag", "Guidelines", "Keys"]
    reached = []
    while not reached or (reached[-1] != wanted[-1] and len(reached) < 20):
        screen.press("Tab")
        reached.append(screen.page.evaluate("document.activeElement.innerText.split(/\\s/)[0]"))
    assert [name for name in reached if name in wanted][-len(wanted) :] == wanted
    screen.choice("dog").focus()
    screen.answer("Enter", " ")
    screen.wait_until_sent()
    assert values() == [0, 2, 1, 1]
    expect(screen.choice("dog")).to_be_focused()


@pytest.mark.long
def test_search_among_twenty_thousand_classes(open_screen: Any) -> None:
    names = [f"species {number:05}" for number in range(19_997)] + ["Ärmelkanal-Möwe", "gull", "black-headed gull"]
    project = make_project("birds", classes=names)
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    options = screen.page.get_by_role("option")
    screen.answer("2")
    screen.press(*"gull")
    expect(options).to_have_text(["gull", "black-headed gull"])
    screen.press("ArrowDown")
    screen.look()
    screen.answer("Enter")
    screen.press(*"armelkanal mowe"[:10])
    expect(options).to_have_text(["Ärmelkanal-Möwe"])
    screen.look()
    screen.answer("Enter")
    expect(screen.page.get_by_label("Find a class")).to_have_value("")
    screen.press(*"no such bird")
    expect(screen.page.locator("#found")).to_contain_text("No class matches")
    screen.press("Enter", "Escape")
    # Enter must not answer while nothing is typed or marked.
    screen.press("Enter")
    screen.answer("3")
    screen.wait_until_sent()
    assert values() == [1, 19_999, 19_997, 2]


def test_where_letters_search_the_shift_key_flags(open_screen: Any) -> None:
    project = make_project("birds", classes=[f"finch {number}" for number in range(30)])
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    guide = screen.page.locator("#guide")  # its key has two signs, and is not cut
    assert guide.evaluate("(button) => button.scrollWidth <= button.clientWidth")
    screen.press(*"finch 17")
    screen.answer("Enter")
    screen.press("Shift+F")
    screen.answer("1")
    screen.press("Shift+G")
    expect(screen.page.get_by_role("dialog", name="Guidelines")).to_be_visible()
    screen.press("Escape")
    screen.wait_until_sent()  # an answer that was never sent would just be forgotten
    screen.press("Backspace")
    screen.wait_until_sent()
    assert values() == [17]
    assert Annotation.objects.get(undone_at__isnull=False).flagged


def test_skip_asks_for_a_reason_and_enter_gives_it_again(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    first = screen.task
    screen.press(" ")
    dialog = screen.page.get_by_role("dialog", name="Why skip it?")
    expect(dialog).to_be_visible()
    screen.press("Escape")
    expect(dialog).to_be_hidden()
    assert screen.task == first
    screen.press(" ", "2")
    expect(dialog).to_be_hidden()
    screen.press(" ")
    expect(dialog.get_by_role("button", name="Cannot be made out")).to_be_focused()
    screen.press("Enter")
    expect(dialog).to_be_hidden()
    screen.wait_until_sent()
    reasons = Annotation.objects.skips().order_by("task__rank").values_list("skip_reason", flat=True)
    assert list(reasons) == ["Cannot be made out"] * 2
    screen.press(" ", "c")
    screen.page.keyboard.type("Two owls")
    screen.press("Enter")
    expect(dialog.get_by_role("button", name="Cannot be made out")).to_be_focused()
    expect(dialog).to_be_visible()
    screen.press("2")
    expect(dialog).to_be_hidden()
    screen.wait_until_sent()
    skip = Annotation.objects.latest("created_at")
    assert (skip.skip_reason, Comment.objects.get().text) == ("Cannot be made out", "Two owls")
    screen.choice("4").click()
    screen.press(" ")
    expect(screen.page.get_by_role("dialog", name="Why skip it?")).to_be_visible()


@pytest.mark.parametrize("key", some(["2", "Escape"]))
def test_a_key_right_behind_a_dialog_finds_the_page(open_screen: Any, key: str) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    screen.press(" ")
    expect(screen.page.get_by_role("dialog", name="Why skip it?")).to_be_visible()
    # Both in one turn of the browser: it draws nothing in between, and moves no focus by itself.
    focused = screen.page.evaluate(
        """(key) => {
          document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
          return [document.querySelector("#skip-dialog").open, document.activeElement.tagName];
        }""",
        key,
    )
    assert focused == [False, "BODY"]


@pytest.mark.long
def test_skipping_goes_as_fast_as_fingers_do(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 40))
    screen = open_screen(project, make_member(project, "annie"))
    dialog = screen.page.get_by_role("dialog", name="Why skip it?")
    task = screen.page.locator("#stage[data-task]")  # a slow server may not have handed out the next one yet
    for number in range(1, 11):
        expect(task).to_be_visible()
        screen.press(" ", "Escape", " ", "2")
        expect(task).to_be_visible()
        screen.press(" ", "Enter")
        expect(dialog).to_be_hidden()
        expect(screen.past).to_have_count(min(10, 2 * number))
    screen.wait_until_sent()
    assert set(Annotation.objects.values_list("skip_reason", "value")) == {("Cannot be made out", None)}
    assert Annotation.objects.count() == 20


def test_backspace_and_a_click_take_back_answers_and_skips_with_their_flags(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 20))
    screen = open_screen(project, make_member(project, "annie"))
    seen = screen.answer("1", "2")
    seen.append(screen.task)
    screen.press(" ", "1")
    expect(screen.past).to_have_count(3)
    screen.wait_until_sent()
    for task in reversed(seen):
        screen.press("Backspace")
        assert screen.task == task
    screen.press("Backspace")
    expect(screen.told).to_have_text(
        "Nothing to undo. You can undo this tab's last ten answers while their batch is open."
    )
    assert screen.answer("7", "8", "9") == seen
    screen.wait_until_sent()
    assert values() == [7, 8, 9]
    assert Annotation.objects.count() == 6
    assert Batch.objects.get().remaining == 17
    assert Item.objects.labeled().count() == 3
    screen.press("f")
    expect(screen.page.get_by_role("button", name="Flagged")).to_have_attribute("aria-pressed", "true")
    seen = screen.answer("1", "2", "3")
    screen.past.nth(2).click()
    assert screen.task == seen[0]
    expect(screen.page.get_by_role("button", name="Flagged")).to_have_attribute("aria-pressed", "true")
    screen.press("f")
    screen.answer("4")
    screen.wait_until_sent()
    assert values() == [7, 8, 9, 4, 2, 3]
    assert not Annotation.objects.standing().filter(flagged=True).exists()


def test_multi_collects_classes_and_enter_sends_them(open_screen: Any) -> None:
    project = make_project("animals", classes=["cat", "dog", "hen", "pig"], question="multi")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    screen.press("1", "2", "4", "2")
    expect(screen.choice("cat")).to_have_attribute("aria-pressed", "true")
    expect(screen.choice("dog")).to_have_attribute("aria-pressed", "false")
    first = screen.answer("Enter")
    screen.answer("Enter")
    screen.press("Backspace", "Backspace")
    assert screen.task == first[0]
    expect(screen.page.locator("#send")).to_contain_text("Send 2 chosen")
    screen.press("3")
    screen.answer("Enter", "Enter")
    screen.wait_until_sent()
    assert values() == [[0, 2, 3], []]


@pytest.mark.parametrize(("yes", "no"), some([("y", "n"), ("1", "2"), ("ArrowRight", "ArrowLeft")]))
def test_verify_takes_yes_and_no(open_screen: Any, yes: str, no: str) -> None:
    project = make_project("animals", classes=["cat", "dog", "hen"], question="verify", prompt="Is this one a")
    items = make_items(project, 6)
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"))
    expect(screen.page.locator("#proposed")).to_have_text(["cat", "dog", "hen"][items[0].proposed])
    screen.answer(yes, no, yes)
    screen.wait_until_sent()
    assert values() == [True, False, True]


def test_a_score_takes_the_points_by_their_keys(open_screen: Any) -> None:
    project = make_project("taste", classes=[str(point) for point in range(1, 11)], question="score")
    make_open_batch(project, make_items(project, 6))
    screen = open_screen(project, make_member(project, "annie"))
    screen.answer("4", "0", "1")
    screen.wait_until_sent()
    assert values() == [3, 9, 0]
    screen.press("?")
    expect(screen.page.locator("#keys-dialog")).to_contain_text("Answer with the point")


def test_a_screen_reader_hears_the_place_of_the_item_and_what_was_done(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"))
    heard = screen.page.get_by_role("status")
    expect(heard).to_have_text("Item 1 of 10.")
    screen.answer("4")
    expect(heard).to_have_text("4. Item 2 of 10.")
    screen.press("f")
    expect(heard).to_contain_text("Flagged")
    screen.press("Backspace")
    expect(heard).to_have_text("Undone: 4. Item 1 of 10.")
    for role, name in (
        ("region", "Item to label"),
        ("region", "Answers"),
        ("toolbar", "Actions"),
        ("complementary", "Your last answers"),
        ("progressbar", "Batch 1 · 0 of 10"),
        ("img", "The item to label"),
        ("heading", "Which class is this?"),
    ):
        expect(screen.page.get_by_role(role, name=name)).to_have_count(1)
