"""Test the encryption of stored secrets under the server's key."""

from typing import Any

import pytest

from labeling.storage.db import sealed


def test_a_sealed_text_comes_back_and_is_not_readable() -> None:
    one, two = sealed.seal("a pässword"), sealed.seal("a pässword")
    assert one != two
    assert "ssword" not in one
    assert sealed.unseal(one) == sealed.unseal(two) == "a pässword"


def test_an_earlier_key_still_reads(settings: Any) -> None:
    text = sealed.seal("a password")
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    with pytest.raises(sealed.Unreadable, match="SECRET_KEY has changed"):
        sealed.unseal(text)
    settings.SECRET_KEY_FALLBACKS = [before]
    assert sealed.unseal(text) == "a password"
    with pytest.raises(sealed.Unreadable):
        sealed.unseal(f"{text[:-4]}AAA=")
