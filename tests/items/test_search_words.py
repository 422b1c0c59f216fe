"""Test the words of items and searches, without a database."""

import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.labels.items.words import MAX_LENGTH, MAX_WORDS, Term, item_words, read_search, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("An Owl, two owls.", ["an", "owl", "two", "owls"]),
        ("Élan STRASSE straße", ["elan", "strasse", "strasse"]),
        ("a_b-c/d@e.f", ["a", "b", "c", "d", "e", "f"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("hello東京", ["hello", "東", "京"]),
        ("한국어", ["한국어"]),
        ("किताब", ["कतब"]),
        ("3.14 12:30", ["3", "14", "12", "30"]),
        ("", []),
        ("!?\u0301 \ue000 \ue001", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == [unicodedata.normalize("NFKD", word) for word in words]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("owl", [Term((("owl",),), prefix=True)]),
        ("barn o", [Term((("barn",),), prefix=False), Term((("o",),), prefix=False)]),
        ('"barn owl" night', [Term((("barn", "owl"),), prefix=False), Term((("night",),), prefix=True)]),
        ('"barn owl', [Term((("barn", "owl"),), prefix=False)]),
        ("night-owl", [Term((("night", "owl"),), prefix=True)]),
        ("camera:north", [Term((("\ue000camera", "north"), ("camera", "north")), prefix=True)]),
        ('File Name:"a b" c', [
            Term((("file",),), prefix=False),
            Term((("\ue000name", "a", "b"), ("name", "a", "b")), prefix=False),
            Term((("c",),), prefix=False),
        ]),
        ("camera:", [Term((("camera",),), prefix=False)]),
        (":north", [Term((("north",),), prefix=True)]),
        ('"" : * ( ', []),
    ],
)  # fmt: skip
def test_searches_are_read(text: str, terms: list[Term]) -> None:
    assert read_search(text) == terms


def test_what_an_item_says_field_by_field() -> None:
    data: dict[str, Any] = {"text": "Two owls.", "taken at": {"camera": 7, "by": ["ann", None]}, "none": None}
    assert item_words("Night-1", data) == [
        *("\ue000id", "night", "1", "\ue000text", "two", "owls"),
        *("\ue000takenat", "camera", "7", "by", "ann", "\ue000none"),
    ]


def test_there_is_an_end_to_it() -> None:
    assert len(item_words("x", {"text": "word " * 50_000})) == MAX_WORDS
    assert len(next(words_of("a" * 5_000))) == MAX_LENGTH


@given(st.text())
def test_any_text_is_read_and_has_nothing_but_letters_and_digits(text: str) -> None:
    words = [word.lstrip("\ue000") for term in read_search(text) for phrase in term.phrases for word in phrase]
    assert all(word.isalnum() for word in words)
    assert not set("".join(words)) & set(string.punctuation + string.whitespace + "\x00")
