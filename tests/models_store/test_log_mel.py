"""Test the encoder of recordings."""

import sys

import numpy as np
import pytest
from sounds import recording

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError
from models_store.encoders.log_mel import LogMel

FORMS = ("WAV", "FLAC", "OGG", "MP3")


def loudest(features: np.ndarray, bands: int = 40) -> list[int]:
    return features[:, :bands].argmax(axis=1).tolist()


def test_it_is_the_default_of_its_kind_and_comes_back_the_same(tmp_path) -> None:
    encoder = encoders.for_kind("audio").fit([], bands=24)
    assert (encoder.name, encoder.dim, encoder.input_shape) == ("log-mel", 168, (168,))
    digest = encoder.save(tmp_path / "encoder.npz")
    again = encoders.load(tmp_path / "encoder.npz")
    sounds = [recording(300), recording(3000)]
    assert again.digest == digest
    assert np.array_equal(encoder.encode(sounds), again.encode(sounds))


def test_each_item_by_itself_finite_and_of_one_length() -> None:
    encoder = LogMel.fit([])
    sounds = [recording(seconds=seconds, seed=3) for seconds in (0.001, 0.03, 0.5, 30)]
    features = encoder.encode(sounds)
    assert features.shape == (4, 280)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.array_equal(np.vstack([encoder.encode([sound]) for sound in sounds]), features)
    assert encoder.encode([]).shape == (0, 280)


def test_pitch_shows_whatever_the_form_and_the_sample_rate() -> None:
    encoder = LogMel.fit([])
    low = encoder.encode([recording(300, form=form) for form in FORMS])
    high = encoder.encode([recording(3000, form=form) for form in FORMS])
    assert len(set(loudest(low))) == len(set(loudest(high))) == 1
    assert loudest(low)[0] < loudest(high)[0]
    rates = encoder.encode([recording(1000, rate=rate) for rate in (8000, 16_000, 44_100, 48_000)])
    assert len(set(loudest(rates))) == 1
    levels = rates.max(axis=1)
    assert np.ptp(levels) < 3  # decibels


def test_what_is_no_recording_is_named() -> None:
    with pytest.raises(EncodingError, match="not a recording") as error:
        LogMel.fit([]).encode([recording(), b"nothing"])
    assert error.value.index == 1
    with pytest.raises(EncodingError, match="without any sound"):
        LogMel.fit([]).encode([recording(seconds=0)])


@pytest.mark.parametrize("package", ["soundfile", "librosa.filters"])
def test_a_missing_library_is_told_with_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EncoderSetupError, match=r"scripts/setup.sh requirements-audio.txt"):
        LogMel.fit([]).encode([recording()])
