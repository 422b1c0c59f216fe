"""Test numbers and times in words."""

import datetime

import pytest
from django.template import Context, Template
from django.utils import translation

from labeling.web.shared.figures import ago
from labeling.web.shared.words import count, detail_in_words, distance, duration, figure, money, percent

NOW = datetime.datetime(2025, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_percents_and_counts() -> None:
    texts = {0: "0 %", 1: "100 %", 0.934: "93.4 %", 0.94: "94 %", 0.9999: "99.9 %", 0.0001: "< 0.1 %"}
    assert {share: plain(percent(share)) for share in texts} == texts
    assert [plain(percent(share, exact=True)) for share in (1, 0.94, 0.934)] == ["100.0 %", "94.0 %", "93.4 %"]
    counted = [count(1, "item"), count(1797, "item"), count(0, "batch", "batches")]
    assert counted == ["1 item", "1,797 items", "0 batches"]


def test_durations_and_how_long_ago() -> None:
    texts = {0.84: "0.8 s", 9.97: "10 s", 12.3: "12 s", 89.6: "90 s", 150: "2 min", 3599: "1 h", 7500: "2 h 5 min",
             86_390: "24 h", 200_000: "2 days"}  # fmt: skip
    assert {seconds: plain(duration(seconds)) for seconds in texts} == texts
    texts = {1: "just now", 44: "44 s ago", 150: "2 min ago", 7200: "2 h ago", 86_400 * 3: "3 days ago",
             -86_400 * 30: "in 30 days"}  # fmt: skip
    assert {each: plain(distance(NOW - datetime.timedelta(seconds=each), NOW)) for each in texts} == texts
    for hour in (0, 9, 23):  # the end of a day is as many days away as the day
        assert distance(datetime.datetime(2025, 3, 9, tzinfo=datetime.UTC), NOW.replace(hour=hour)) == "in 7 days"
    assert ago(NOW).startswith('<time datetime="2025-03-01T12:00:00+00:00" title="2025-03-01 12:00:00 UTC">')


def test_the_head_of_a_table_tells_columns_of_numbers_and_titles_for_screen_readers_apart() -> None:
    text = "{% columns %}File | {{ name }}#{% if open %} | Open{% endif %} | (Remove){% endcolumns %}"
    assert Template(text).render(Context({"name": "<Rows>"})) == (
        '<tr><th scope="col">File</th><th scope="col" class="number">&lt;Rows&gt;</th>'
        '<th scope="col"><span class="unseen">Remove</span></th></tr>'
    )


def test_numbers_have_the_separators_of_the_language() -> None:
    with translation.override("de"):
        assert [plain(percent(0.934)), figure(1250.5), plain(money(3.5, "EUR"))] == ["93,4 %", "1.250,5", "EUR 3,50"]
        counted = [count(1, "item"), count(1797, "item"), plain(duration(0.84))]
        assert counted == ["1 Element", "1.797 Elemente", "0,8 s"]
    with translation.override("ar"):
        assert [count(n, "item") for n in (2, 5)] == ["عنصران", "5 عناصر"]


@pytest.mark.parametrize(
    ("detail", "german"),
    [
        ("step 480 of 1,200, loss 0.31", "Schritt 480 von 1.200, Verlust 0,31"),
        ("training 2, step 1 of 40, loss 1.2e+02", "Training 2, Schritt 1 von 40, Verlust 1,2e+02"),
        ("cats.zip", "cats.zip"),
    ],
)
def test_the_detail_of_a_training_is_translated(detail: str, german: str) -> None:
    assert detail_in_words(detail) == detail
    with translation.override("de"):
        assert detail_in_words(detail) == german
