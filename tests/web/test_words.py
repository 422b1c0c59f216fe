"""Test numbers and times in words."""

import datetime

import pytest
from django.template import Context, Template
from django.utils import translation

from labeling.web.shared.figures import ago
from labeling.web.shared.words import count, distance, duration, figure, money, percent

NOW = datetime.datetime(2025, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.934, "93.4 %"), (0.94, "94 %"), (0.9999, "99.9 %"), (0.0001, "< 0.1 %")],
)
def test_percent(share: float, text: str) -> None:
    assert plain(percent(share)) == text


def test_percents_in_a_column_have_as_many_places() -> None:
    assert [plain(percent(share, exact=True)) for share in (1, 0.94, 0.934)] == ["100.0 %", "94.0 %", "93.4 %"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (9.97, "10 s"),
        (12.3, "12 s"),
        (89.6, "90 s"),
        (150, "2 min"),
        (3599, "1 h"),
        (7500, "2 h 5 min"),
        (86_390, "24 h"),
        (200_000, "2 days"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert plain(duration(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "just now"),
        (44, "44 s ago"),
        (150, "2 min ago"),
        (7200, "2 h ago"),
        (86_400 * 3, "3 days ago"),
        (-86_400 * 30, "in 30 days"),
    ],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert plain(distance(NOW - datetime.timedelta(seconds=seconds), NOW)) == text


@pytest.mark.parametrize("hour", [0, 9, 23])
def test_the_end_of_a_day_is_as_many_days_away_as_the_day(hour: int) -> None:
    assert distance(datetime.datetime(2025, 3, 9, tzinfo=datetime.UTC), NOW.replace(hour=hour)) == "in 7 days"


def test_a_moment_has_its_exact_time_too() -> None:
    head = '<time datetime="2025-03-01T12:00:00+00:00" title="2025-03-01 12:00:00 UTC">'
    assert ago(NOW).startswith(head)


def test_count() -> None:
    assert (count(1, "item"), count(1797, "item"), count(0, "batch", "batches")) == (
        "1 item",
        "1,797 items",
        "0 batches",
    )


def test_the_head_of_a_table_tells_columns_of_numbers_and_titles_for_screen_readers_apart() -> None:
    text = "{% columns %}File | {{ name }}#{% if open %} | Open{% endif %} | (Remove){% endcolumns %}"
    assert Template(text).render(Context({"name": "<Rows>"})) == (
        '<tr><th scope="col">File</th><th scope="col" class="number">&lt;Rows&gt;</th>'
        '<th scope="col"><span class="unseen">Remove</span></th></tr>'
    )


def test_numbers_have_the_separators_of_the_language() -> None:
    with translation.override("de"):
        assert [plain(percent(0.934)), figure(1250.5), plain(money(3.5, "EUR"))] == ["93,4 %", "1.250,5", "EUR 3,50"]
        assert [count(1, "item"), count(1797, "item"), plain(duration(0.84))] == [
            "1 Element",
            "1.797 Elemente",
            "0,8 s",
        ]
    with translation.override("ar"):
        assert [count(n, "item") for n in (2, 5)] == ["عنصران", "5 عناصر"]
