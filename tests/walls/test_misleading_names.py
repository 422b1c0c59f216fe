"""Test that no class name can look like another, and that right-to-left text does not reorder the text around it."""

import unicodedata
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from factories import make_user
from pages import errors_of, signed_in
from rest_framework.test import APIClient

from labeling.insight.balance import Balance, Frequency
from labeling.models import Project
from labeling.projects.create import check_classes
from labeling.projects.people.invisible import isolated
from labeling.questions import named
from labeling.web.charts.balance import finding
from labeling.web.items.item_view import label_text

OVERRIDE = "do\u202eg"
SENTENCE = (
    "Class 2, “do<U+202E>g”, has U+202E (RIGHT-TO-LEFT OVERRIDE) in place 3, "
    "which is invisible: one class could look like another. Delete it."
)


def problem(*names: str) -> str:
    with pytest.raises(ValidationError) as error:
        check_classes(names)
    return str(error.value.message_dict["classes"][0])


def test_the_line_names_the_character_and_its_place() -> None:
    assert problem("cat", OVERRIDE) == SENTENCE


@pytest.mark.parametrize(
    "code",
    [
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *(0x200E, 0x200F, 0x061C, 0x200B, 0x2060, 0xFEFF, 0x00AD, 0x2028, 0x2029, 0x3164, 0x180E, 0x034F, 0xE0041),
        *(0x00, 0x07, 0x09, 0x0A, 0x0D, 0x1B, 0x7F, 0x80, 0x85, 0x9F, 0xD800, 0xDC80),
    ],
    ids=lambda code: f"{code:04X}",
)
def test_what_nobody_sees_is_refused_wherever_it_stands(code: int) -> None:
    said = f"U+{code:04X}"
    assert f"has {said}" in problem("cat", f"do{chr(code)}g")
    if not chr(code).isspace() and not 0x1C <= code <= 0x1F:
        for name in (f"{chr(code)}dog", f"dog{chr(code)}"):
            assert f"has {said}" in problem("cat", name)
    assert chr(code) not in problem("cat", f"do{chr(code)}g")


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
@pytest.mark.parametrize(
    "name", ["do{}g", "{}dog", "dog{}", "до{}м", "犬{}猫", "d {}g", "mi{0}{0}x", "1{}2", "ا{}", "{}ب"]
)
def test_a_joiner_that_joins_nothing_is_refused(joiner: str, name: str) -> None:
    assert f"U+{ord(joiner):04X}" in problem("cat", name.format(joiner))


def test_letters_and_signs_that_people_write_with_stay() -> None:
    for name in (
        "می\u200cخواهم",
        "خانه\u200cها",
        "क्\u200dष",
        "क्\u200cष",
        "র\u200d্যাব",
        "ශ්\u200dරී",
        "👩\u200d🚀",
        "❤\ufe0f",
        "❤\ufe0f\u200d🔥",
        "👩🏽\u200d⚕\ufe0f",
        "1\ufe0f\u20e3",
        "naïve café",
        "日本語",
        "עברית (abc)",
        "n/a – “none”",
    ):
        assert check_classes(["cat", name]) == ["cat", name]


def test_one_name_in_two_spellings_is_one_name() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert problem(composed, decomposed) == "Some classes are listed twice: café. List each class once."
    assert check_classes([decomposed, "cafe"]) == [decomposed, "cafe"]


def test_in_a_sentence_a_name_keeps_its_direction_to_itself() -> None:
    """Names of projects older than the check do not reorder a sentence either."""
    assert isolated("cat – “none”") == "cat – “none”"
    assert isolated("سگ") == "\u2068سگ\u2069"
    assert isolated("do\u202eg\u2069") == "\u2068dog\u2069"
    assert label_text(named("multi"), [0, 1], ["cat", "סוס"]) == "cat, \u2068סוס\u2069"
    frequent = Frequency("do\u202eg", labels=3, share=0.6, control=0, pool=0.0, low=0.0, high=0.0)
    rare = Frequency("cat", labels=2, share=0.4, control=0, pool=0.0, low=0.0, high=0.0)
    words = finding(Balance(classes=[frequent, rare], labeled=5, control=0, n_classes=2, seen=2))
    assert "“\u2068dog\u2069”" in words


@pytest.mark.django_db
def test_every_door_says_the_same(tmp_path: Path) -> None:
    boss = make_user("boss", is_staff=True, is_superuser=True)
    api = APIClient()
    api.force_login(boss)
    body = {"slug": "pets", "kind": "text", "classes": ["cat", OVERRIDE]}
    answer = api.post("/api/v1/projects/", body, format="json")
    assert (answer.status_code, answer.json()["fields"]["classes"]) == (400, [SENTENCE])

    form = {"name": "Pets", "slug": "pets", "kind": "text", "question": "single", "batch_size": "10"}
    page = signed_in(boss).post("/new/", {**form, "classes": f"cat\r\n{OVERRIDE}\r\n"})
    assert (page.status_code, errors_of(page)["classes"]) == (400, SENTENCE)

    (tmp_path / "classes.txt").write_text(f"\ufeffcat\n{OVERRIDE}\n", encoding="utf-8")
    for given in (["--classes", f"cat,{OVERRIDE}"], ["--classes-file", str(tmp_path / "classes.txt")]):
        with pytest.raises(CommandError) as error:
            call_command("create_project", "pets", "--kind", "text", *given)
        assert str(error.value) == f"classes: {SENTENCE}"
    assert not Project.objects.exists()


@pytest.mark.django_db
def test_a_line_separator_does_not_make_two_classes_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndo\u2028g\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"“do<U\+2028>g”, has U\+2028 \(LINE SEPARATOR\) in place 3"):
        call_command("create_project", "pets", "--kind", "text", "--classes-file", str(tmp_path / "classes.txt"))
