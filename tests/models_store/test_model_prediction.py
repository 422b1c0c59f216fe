"""Test predictions: margins by their definitions, for any chunks, in bounded memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_data import SHAPES, Pool, asked, blobs, train_on

from models_store import prediction, questions
from models_store.config import TrainConfig
from models_store.prediction import predict, probabilities
from models_store.training import Trained
from tests.extent import examples

POOL = blobs(700, seed=3)


def all_of(trained: Trained, chunk: int = 8192, **options) -> dict[str, np.ndarray]:
    """Return the predictions for POOL in one piece."""
    proposed = asked(POOL, trained.model.question).get("proposed")
    parts = list(predict(trained.model, POOL.features, proposed=proposed, chunk=chunk, **options))
    assert [part.start for part in parts] == list(range(0, 700, chunk))
    names = ("embeddings", "margins", "best", "confidence")
    return {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def slow_reference(question: str, logits: np.ndarray, proposed: int) -> tuple[float, float]:
    """Compute margin and confidence of an item's best class by the definitions, in float64."""
    logits = logits.astype(np.float64)
    if question == "verify":
        yes = sigmoid(logits[proposed])
        return abs(2 * yes - 1), max(yes, 1 - yes)
    if question == "multi":
        each = [sigmoid(logit) for logit in logits]
        return min(abs(2 * p - 1) for p in each), max(each)
    shares = np.exp(logits - logits.max())
    shares = shares / shares.sum()
    ranked = sorted(shares, reverse=True)
    return ranked[0] - (ranked[1] if len(ranked) > 1 else 0.0), ranked[0]


@settings(max_examples=examples(200), deadline=None)
@given(
    question=st.sampled_from(["single", "multi", "verify"]),
    logits=st.integers(1, 7).flatmap(
        lambda k: arrays(np.float32, (5, k), elements=st.floats(-30, 30, width=32, allow_subnormal=False))
    ),
    data=st.data(),
)
def test_margins_are_what_the_definitions_say(question, logits, data):
    proposed = np.array(data.draw(st.lists(st.integers(0, logits.shape[1] - 1), min_size=5, max_size=5)))
    decision = questions.named(question).decide(torch.from_numpy(logits), torch.from_numpy(proposed))
    for row in range(5):
        margin, confidence = slow_reference(question, logits[row], proposed[row])
        assert decision.margins[row].item() == pytest.approx(margin, abs=2e-6)
        assert decision.confidence[row].item() == pytest.approx(confidence, abs=2e-6)
        if question == "verify":
            assert decision.best[row] == (logits[row, proposed[row]] >= 0)
        else:  # several classes may be level
            assert logits[row, decision.best[row]] == logits[row].max()


def test_the_closest_items_are_told_apart():
    """p1 − p2 in float32 would be equal for these items."""
    gaps = torch.tensor([1e-7, 2e-7, 4e-7])
    margins = questions.named("single").decide(torch.stack([gaps, torch.zeros(3)], dim=1), None).margins
    np.testing.assert_allclose(margins, gaps / 2, rtol=1e-3)


def test_types_and_shapes_are_as_promised_and_chunks_make_no_difference(trained):
    whole = all_of(trained)
    assert whole["embeddings"].shape == (700, 128)
    kinds = {"embeddings": np.float32, "margins": np.float32, "best": np.int32, "confidence": np.float32}
    assert {name: array.dtype for name, array in whole.items()} == kinds
    for name in ("margins", "confidence"):
        assert (whole[name] >= 0).all()
        assert (whole[name] <= 1).all()
    for chunk in (7, 64, 699, 700):
        parts = all_of(trained, chunk=chunk)
        for name, array in whole.items():
            np.testing.assert_allclose(parts[name], array, atol=1e-5)


def test_margins_belong_to_the_probabilities(trained):
    found = all_of(trained)
    proposed = asked(POOL, trained.model.question).get("proposed")
    parts = list(probabilities(trained.model, POOL.features, proposed=proposed))
    p = np.concatenate([part for _, part in parts])
    if trained.model.question == "single":
        ranked = np.sort(p, axis=1)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
        expected = ranked[:, -1] - ranked[:, -2]
    else:
        expected = np.abs(2 * p - 1) if p.ndim == 1 else np.abs(2 * p - 1).min(axis=1)
    np.testing.assert_allclose(found["margins"], expected, atol=1e-5)


# A model of `verify` has one class to each item.
@pytest.mark.parametrize("trained", ["single", "multi"], indirect=True)
def test_likely_classes_come_in_the_order_of_their_probabilities(trained):
    parts = list(predict(trained.model, POOL.features, extras=("likely", "probabilities"), chunk=300))
    likely, p = (np.concatenate([getattr(part, name) for part in parts]) for name in ("likely", "probabilities"))
    assert likely.shape == (700, min(10, p.shape[1]))
    assert likely.dtype == np.int16
    ranked = np.take_along_axis(p, likely.astype(int), axis=1)
    np.testing.assert_array_equal(ranked, -np.sort(-p, axis=1)[:, :10])


@pytest.mark.parametrize("trained", ["multi"], indirect=True)
def test_a_whole_answer_lists_the_classes_that_are_as_likely_as_not(trained):
    parts = list(predict(trained.model, POOL.features, extras=("chosen", "sureness", "probabilities"), chunk=300))
    chosen, sureness, p = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("chosen", "sureness", "probabilities")
    )
    assert chosen.dtype == np.int16
    for row in range(0, 700, 7):
        classes = np.flatnonzero(p[row] >= 0.5).tolist()
        assert chosen[row].tolist() == classes + [-1] * (chosen.shape[1] - len(classes))
        assert sureness[row] == pytest.approx(np.prod(np.maximum(p[row], 1 - p[row])), rel=1e-4)


def test_more_classes_than_are_stored_leave_no_certainty():
    logits = torch.full((2, 40), -30.0)
    logits[0, 10:27] = 30.0
    logits[1, 10:26] = 30.0
    multi = questions.named("multi")
    assert multi.sureness(logits, None).tolist() == pytest.approx([0.0, 1.0])
    assert multi.chosen(logits, None)[1].tolist() == list(range(10, 26))


def test_a_read_only_memory_map_is_read_as_it_goes_and_left_alone(trained, tmp_path):
    np.save(tmp_path / "features.npy", POOL.features)
    before = (tmp_path / "features.npy").read_bytes()
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    proposed = asked(POOL, trained.model.question).get("proposed")
    parts = list(predict(trained.model, mapped, proposed=proposed))
    np.testing.assert_array_equal(parts[0].margins, all_of(trained)["margins"])
    assert (tmp_path / "features.npy").read_bytes() == before


def test_no_more_logits_than_promised_exist_at_once(monkeypatch):
    pool = blobs(300, seed=1)
    config = TrainConfig(min_steps=1, epochs=1, calibration_labels=0)
    trained = train_on(Pool(pool.features, pool.classes, 2000), config=config)
    monkeypatch.setattr(prediction, "MOST_LOGITS", 10_000)
    sizes: list[int] = []
    trained.model.network.register_forward_hook(lambda module, args, output: sizes.append(output[1].numel()))
    assert sum(len(part.best) for part in predict(trained.model, pool.features)) == 300
    assert max(sizes) <= 10_000


@pytest.mark.long
def test_images_are_predicted_alike_alone_and_together(image_model, digits):
    features = digits.features[:50]
    (whole,) = predict(image_model.model, features)
    alone = [next(predict(image_model.model, features[i : i + 1])) for i in range(50)]
    np.testing.assert_allclose(whole.embeddings, np.concatenate([part.embeddings for part in alone]), atol=1e-4)
    assert image_model.model.input_shape == SHAPES["image"]


@pytest.mark.parametrize(("question", "margin"), [("single", 1.0), ("multi", None), ("verify", None)])
def test_one_class_alone_will_do(question, margin):
    pool = Pool(POOL.features[:40], np.zeros(40, dtype=int), 1)
    trained = train_on(pool, question=question, config=TrainConfig(min_steps=5, epochs=1))
    (part,) = predict(trained.model, pool.features, proposed=asked(pool, question).get("proposed"))
    assert set(part.best) <= {0, 1}
    if margin is not None:
        assert (part.margins == margin).all()


def test_progress_rises_to_one_and_gradients_are_as_the_caller_left_them_between_chunks(trained):
    proposed = asked(POOL, trained.model.question).get("proposed")
    shares: list[float] = []
    for _ in predict(trained.model, POOL.features, proposed=proposed, chunk=100, progress=shares.append):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert shares == pytest.approx([1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1])
    none = None if proposed is None else proposed[:0]
    assert list(predict(trained.model, POOL.features[:0], proposed=none)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": POOL.features[:, :3]}, r"shape \(700, 3\), expected \(n, 12\)"),
        ({"features": POOL.features[0]}, r"expected \(n, 12\)"),
        ({"features": POOL.features.astype(int)}, "uint8 or floats"),
        ({"proposed": np.zeros(5, dtype=int)}, "proposed"),
        ({"chunk": 0}, "at least one item"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_once(trained, changes, words):
    arguments = {"features": POOL.features, "proposed": asked(POOL, trained.model.question).get("proposed"), **changes}
    with pytest.raises(ValueError, match=words):
        predict(trained.model, arguments.pop("features"), **arguments)
