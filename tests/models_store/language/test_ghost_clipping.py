"""Test clipped gradients against a slow reference that computes the gradient of each example by itself."""

from functools import partial

import numpy as np
import pytest
import torch
from extent import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from language_data import network, sentences
from torch import Tensor, nn

from models_store.language.config import LanguageConfig
from models_store.language.network import LanguageModel
from models_store.language.texts import Guesses, Texts, hide_pieces
from models_store.privacy.clipping import check_layers, clipped_sum


def reference(model: LanguageModel, guesses: Guesses, max_norm: float) -> tuple[dict[Tensor, Tensor], Tensor]:
    weights, norms = list(model.parameters()), []
    sums = [torch.zeros_like(weight) for weight in weights]
    for example in range(len(guesses.inputs)):
        alone = Guesses(*(part[example : example + 1] for part in guesses))
        gradients = torch.autograd.grad(model.losses(alone).sum(), weights)
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        norms.append(norm)
        for total, gradient in zip(sums, gradients, strict=True):
            total += gradient * min(1.0, max_norm / max(float(norm), 1e-12))
    return dict(zip(weights, sums, strict=True)), torch.stack(norms)


def drawn(count: int, shape: LanguageConfig, seed: int) -> Guesses:
    rng = np.random.default_rng(seed)
    texts = Texts(sentences(count, seed, shape.pieces))
    return hide_pieces(texts.draw(np.arange(count), shape.window, rng), shape.pieces, rng)


@settings(max_examples=examples(15), deadline=None)
@given(
    count=st.integers(1, 6),
    pieces=st.integers(7, 60),
    layers=st.integers(1, 3),
    window=st.integers(3, 20),
    seed=st.integers(0, 10_000),
    max_norm=st.sampled_from([1e-3, 0.5, 1e3]),
)
def test_sums_and_norms_are_those_of_single_gradients(
    count: int, pieces: int, layers: int, window: int, seed: int, max_norm: float
) -> None:
    shape = LanguageConfig(pieces=pieces, layers=layers, width=8, heads=2, window=window)
    model, guesses = network(shape, seed).double(), drawn(count, shape, seed)
    guesses = guesses._replace(counted=guesses.counted.double())

    sums, norms = clipped_sum(model, partial(model.losses, guesses), max_norm)

    expected, expected_norms = reference(model, guesses, max_norm)
    torch.testing.assert_close(norms, expected_norms, rtol=1e-5, atol=1e-9)
    assert sums.keys() == expected.keys(), "each weight once, the shared one too"
    for weight, total in sums.items():
        torch.testing.assert_close(total, expected[weight], rtol=1e-5, atol=1e-9)
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())


def test_weights_that_two_layers_share_count_with_the_product_of_both_gradients() -> None:
    model, guesses = network(), drawn(4, LanguageConfig(pieces=40, width=16, window=12), 3)
    [shared] = {model.table.weight, model.output.weight}

    _, norms = clipped_sum(model, partial(model.losses, guesses), 1.0)

    untied = network()
    untied.output.weight = nn.Parameter(shared.detach().clone())
    _, apart = clipped_sum(untied, partial(untied.losses, guesses), 1.0)
    assert not torch.allclose(norms, apart, rtol=1e-3), "the test would not notice if the product were missing"


def test_the_length_of_the_longest_window_changes_nothing() -> None:
    shape = LanguageConfig(pieces=40, width=16, window=30)
    model, guesses = network(shape), drawn(5, shape, 1)
    longest = int((guesses.inputs != 0).sum(dim=1).max())

    whole, _ = clipped_sum(model, partial(model.losses, guesses), 1.0)
    short, _ = clipped_sum(model, partial(model.losses, guesses.cut(longest)), 1.0)

    assert longest < 30
    for weight, total in whole.items():
        torch.testing.assert_close(short[weight], total, rtol=1e-3, atol=1e-6)


def test_a_weight_without_a_clipped_gradient_is_refused() -> None:
    check_layers(network())
    with pytest.raises(ValueError, match=r"the gradient of 1\.weight cannot be clipped"):
        check_layers(nn.Sequential(nn.Linear(2, 2), nn.Conv1d(2, 2, 1)))
