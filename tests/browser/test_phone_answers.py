"""Test that every answer can be reached on a phone, with many classes and long names."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = [(390, 844), (375, 667)]
PHONES = [(320, 568), (360, 740), (390, 844), (430, 932), (768, 1024)]
LONG = [
    "with a name that is so long that it takes more than one line on any phone",
    "اسم طويل جدا حتى انه لا يتسع له سطر واحد على شاشة اي هاتف محمول",
    "名称太长以至于在任何手机屏幕上都无法用一行显示完整的类别名称 ชื่อที่ยาวมากจนไม่พอดีกับบรรทัดเดียว",
]

# Scrolls each answer into view and looks at what a finger would hit there.
COVERED = """answers => answers.filter(answer => {
  answer.scrollIntoView({ block: "nearest" });
  const { left, top, width, height } = answer.getBoundingClientRect();
  const hit = document.elementFromPoint(left + width / 2, top + height / 2);
  return !answer.contains(hit);
}).map(answer => answer.textContent)"""
# Names that are higher than their buttons.
SPILLING = """answers => answers.filter(answer => answer.scrollHeight > answer.clientHeight + 1
  || answer.firstElementChild.getBoundingClientRect().height > answer.clientHeight)
  .map(answer => answer.textContent)"""
OVERLAP = """() => {
  const box = (name) => document.querySelector(name).getBoundingClientRect();
  return Math.max(
    box("#answers").bottom - box(".actions").top,
    document.querySelector(".prompt").scrollHeight - (box("#stage").top - box(".prompt").top),
  );
}"""


def phone(width: int, height: int) -> dict[str, Any]:
    return {
        "viewport": {"width": width, "height": height},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    }


def open_with(open_screen: Any, n: int, options: dict[str, Any], **settings: Any) -> Any:
    classes = [f"Class {number:02} {LONG[number % 3]}" for number in range(1, n + 1)]
    project = make_project("birds", kind="image", classes=classes, **settings)
    tasks = make_open_batch(project, make_items(project, 5)).tasks
    if project.suggests_several:
        tasks.update(predicted=3, likely="3 2 6 4 12 0 1 5 7 8", prompted=True, prompted_by="model")
    screen = open_screen(project, make_member(project, "annie"), **options)
    expect(screen.page.locator('#item img[data-state="ready"]')).to_be_visible()
    return screen


@pytest.mark.parametrize(("width", "height"), some(PHONES))
@pytest.mark.parametrize(("n", "question"), [(10, "multi"), (30, "single")])
def test_every_answer_can_be_tapped(
    open_screen: Any, screenshot: Any, n: int, question: str, width: int, height: int
) -> None:
    screen = open_with(open_screen, n, phone(width, height), question=question, show_predictions=True)
    page = screen.page
    screenshot(page, f"phone-{n}-{question}-{width}")
    answers = page.locator("#choices > *")
    expect(answers).to_have_count(n)
    for names in ("#suggested > *", "#choices > *", ".actions button:visible", "#send"):
        assert page.locator(names).evaluate_all(COVERED) == []
    assert answers.evaluate_all(SPILLING) == []
    assert page.evaluate(OVERLAP) <= 0
    expect(page.locator("#item img")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    answers.last.tap()
    if question == "multi":
        page.locator("#send").tap()
    screen.wait_until_sent()
    assert Annotation.objects.get().value == ([n - 1] if question == "multi" else n - 1)


@pytest.mark.parametrize(("width", "height"), some(SIZES))
def test_yes_and_no_can_be_tapped_below_a_long_question(
    open_screen: Any, screenshot: Any, width: int, height: int
) -> None:
    screen = open_with(open_screen, 10, phone(width, height), question="verify")
    screenshot(screen.page, f"phone-verify-{width}")
    for names in ("#answers button", ".actions button:visible"):
        assert screen.page.locator(names).evaluate_all(COVERED) == []
    assert screen.page.evaluate(OVERLAP) <= 0
    screen.choice("Yes").tap()
    screen.wait_until_sent()
    assert Annotation.objects.get().value is True


@pytest.mark.long
@pytest.mark.parametrize("height", some([480, 600, 800]))
def test_in_a_low_window_too(open_screen: Any, screenshot: Any, height: int) -> None:
    screen = open_with(open_screen, 10, {"viewport": {"width": 700, "height": height}})
    screenshot(screen.page, f"low-{height}")
    for names in ("#choices > *", ".actions button:visible"):
        assert screen.page.locator(names).evaluate_all(COVERED) == []
    assert screen.page.locator("#choices > *").evaluate_all(SPILLING) == []
