"""Test that encoders are found by name, saved without pickle, and loaded unchanged."""

import os
from pathlib import Path

import numpy as np
import pytest

from models_store import encoders
from models_store.encoders import Encoder, EncoderFileError, Pixels, TfidfSvd, Vector

TEXTS = ["one text", "another text", "quite another one"]
FITTED = {
    "pixels": (Pixels.fit([]), []),
    "tfidf-svd": (TfidfSvd.fit(TEXTS), TEXTS),
    "vector": (Vector.fit([[1.0, 2.0]]), [[3.0, 4.0], [5.0, 6.0]]),
}


@pytest.fixture(params=FITTED)
def fitted(request: pytest.FixtureRequest) -> Encoder:
    return FITTED[request.param][0]


@pytest.mark.parametrize(("kind", "name"), [("image", "pixels"), ("text", "tfidf-svd"), ("vector", "vector")])
def test_an_encoder_is_found_by_its_name_and_by_the_kind_of_item(kind, name):
    assert encoders.get(name) is encoders.get(kind) is encoders.for_kind(kind)
    assert (encoders.get(name).name, encoders.get(name).kind) == (name, kind)


def test_an_unknown_name_is_told_beside_the_known_ones():
    with pytest.raises(KeyError, match=r"sound.*pixels, backbone, fine-tuned, tfidf-svd, sentence-transformers"):
        encoders.get("sound")


def test_a_loaded_encoder_gives_the_same_features(fitted, tmp_path):
    digest = fitted.save(tmp_path / "encoder.npz")
    loaded = encoders.load(tmp_path / "encoder.npz")
    samples = FITTED[fitted.name][1]
    assert type(loaded) is type(fitted)
    assert loaded.digest == fitted.digest == digest
    assert (loaded.dim, loaded.input_shape, loaded.dtype) == (fitted.dim, fitted.input_shape, fitted.dtype)
    np.testing.assert_array_equal(loaded.encode(samples), fitted.encode(samples))


def test_the_digest_tells_encoders_apart():
    digests = {encoder.digest for encoder, _ in FITTED.values()} | {Vector(3).digest}
    assert len(digests) == 4
    assert all(len(digest) == 64 for digest in digests)


def test_saving_replaces_an_older_file_and_what_a_killed_attempt_left(tmp_path):
    path = tmp_path / "encoder.npz"
    (tmp_path / ".encoder.npz.partial").write_bytes(b"half")
    Vector(2).save(path)
    Vector(3).save(path)
    assert encoders.load(path).dim == 3
    assert list(tmp_path.glob("*encoder*")) == [path]


def test_a_file_that_is_missing_cut_or_something_else_is_refused(fitted, tmp_path):
    path = tmp_path / "encoder.npz"
    with pytest.raises(EncoderFileError, match="no such file"):
        encoders.load(path)
    for content in (b"", b"hello", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(EncoderFileError, match="not an encoder, or damaged"):
            encoders.load(path)
    fitted.save(path)
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(EncoderFileError):
            encoders.load(path)


def rewrite(path: Path, **changes: np.ndarray) -> None:
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": np.array(2)}, "format 2 is newer"),
        ({"state.dim": np.array(5)}, "does not match its digest"),
        ({"name": np.array("pixels")}, "does not match its digest"),
        ({"format_version": np.array("x")}, "not an encoder"),
    ],
)
def test_a_newer_or_tampered_file_is_refused(tmp_path, changes, words):
    path = tmp_path / "encoder.npz"
    Vector(4).save(path)
    rewrite(path, **changes)
    with pytest.raises(EncoderFileError, match=words):
        encoders.load(path)


def test_a_file_with_a_pickle_in_it_is_refused_and_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    path = tmp_path / "encoder.npz"
    Vector(4).save(path)
    rewrite(path, **{"state.dim": np.array(Trap(), dtype=object)})
    with pytest.raises(EncoderFileError):
        encoders.load(path)
    assert not (tmp_path / "sprung").exists()


def test_an_encoder_that_is_not_installed_or_was_revised_is_named(tmp_path, monkeypatch):
    path = tmp_path / "encoder.npz"
    Vector(4).save(path)
    monkeypatch.setattr(Vector, "revision", 2)
    with pytest.raises(EncoderFileError, match="revision 1 of 'vector', this is revision 2; encode the items again"):
        encoders.load(path)
    monkeypatch.setattr(encoders, "ENCODERS", (Pixels,))
    with pytest.raises(EncoderFileError, match="'vector', which is not installed"):
        encoders.load(path)


def test_the_encoder_in_the_how_to_works(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "add-an-encoder.md").read_text()
    namespace: dict[str, type[Encoder]] = {}
    exec(page.split("```python\n")[1].split("```")[0], namespace)
    histogram = namespace["Histogram"]
    monkeypatch.setattr(encoders, "ENCODERS", (*encoders.ENCODERS, histogram))

    encoder = encoders.get("letters").fit(["abba", "zebra"])
    features = encoder.encode(["ab", ""])
    assert features.shape == (2, encoder.dim)
    assert features.dtype == encoder.dtype
    encoder.save(tmp_path / "letters.npz")
    np.testing.assert_array_equal(encoders.load(tmp_path / "letters.npz").encode(["ab", ""]), features)
    assert encoders.for_kind("text") is TfidfSvd
