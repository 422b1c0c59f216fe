"""Test private pre-training: what it learns, what a unit can change, and how it goes on after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from language_data import SHAPE, network, sentences

from models_store.language import pretraining
from models_store.language.config import PretrainingConfig
from models_store.language.pretraining import pretrain
from models_store.language.texts import Texts, hide_pieces
from models_store.privacy import entropy
from models_store.privacy.accounting import Phase, epsilon
from models_store.privacy.steps import add_up

CONFIG = PretrainingConfig(epsilon=4.0, delta=1e-4, steps=12, largest_rate=0.5)
STEPS = [Phase(1.0, 0.5, 12)]


@pytest.mark.long
def test_a_network_learns_the_most_frequent_piece() -> None:
    rng = np.random.default_rng(0)
    texts = Texts([np.where(rng.random(10) < 0.6, 7, rng.integers(5, 40, 10)).astype(np.uint16) for _ in range(200)])
    config = PretrainingConfig(epsilon=100.0, delta=1e-4, steps=25, largest_rate=0.3, learning_rate=1e-2)

    model = pretrain(texts, SHAPE, config, config.phases(200), units=200, seed=0)

    guesses = hide_pieces(texts.draw(np.arange(200), SHAPE.window, rng), SHAPE.pieces, rng)
    with torch.no_grad():
        best = model.logits(guesses).argmax(dim=2)[guesses.counted > 0]
    assert float((best == 7).float().mean()) > 0.9


def test_the_phases_cost_what_was_asked() -> None:
    phases = CONFIG.phases(5000)
    assert sum(phase.steps for phase in phases) == 12
    assert [phase.sampling_rate for phase in phases] == [0.125, 0.25, 0.5]
    assert 3.9 < epsilon(phases, 1e-4) < 4.6, "by the looser accountant"


@pytest.mark.parametrize(
    "wrong", [{"epsilon": 0.0}, {"delta": 0.5}, {"steps": 2}, {"growth": ()}, {"clipping_norm": 0}, {"chunk": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="privacy"):
        PretrainingConfig(**{"epsilon": 1.0, "delta": 1e-4, **wrong})


def test_one_unit_more_moves_the_sum_by_the_clipping_norm_at_most() -> None:
    model, config = network(), PretrainingConfig(epsilon=1.0, delta=1e-4, clipping_norm=0.01, chunk=1)
    texts = Texts([np.arange(5, 15, dtype=np.uint16) for _ in range(3)])
    sums = []
    for units in (np.arange(2), np.arange(3)):
        add_up(model, pretraining._chunks(model, texts, units, config, np.random.default_rng(1)), 0.01)
        sums.append(torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None]))
    assert 0.0099 < float((sums[1] - sums[0]).norm()) <= 0.010001


def test_the_sum_is_divided_by_a_public_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without noise, a rescaled sum gives the same steps of Adam: so look at the gradients themselves."""
    monkeypatch.setattr(entropy, "gaussian", lambda shape, deviation: torch.full(tuple(shape), deviation))
    monkeypatch.setattr(entropy, "poisson_sample", lambda n, rate: np.array([], np.int64))
    gradients = []
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: gradients.append(self.param_groups[0]["params"][0].grad.max().item())
    )
    for count in (10, 11):
        pretrain(Texts(sentences(count)), SHAPE, CONFIG, STEPS, units=1000, seed=0)
    assert gradients == pytest.approx([0.1 / 500] * 24), "an empty batch is a step of noise; 11 units are as 10"


def test_each_step_draws_units_and_noise_from_the_operating_system() -> None:
    texts = Texts(sentences(50))
    before = torch.random.get_rng_state()
    one, other = (pretrain(texts, SHAPE, CONFIG, STEPS, units=50, seed=0) for _ in range(2))
    assert not torch.equal(one.table.weight, other.table.weight)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_interrupted_training_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "CHECKPOINT_SECONDS", -1)
    texts, path = Texts(sentences(50)), tmp_path / "pretraining.safetensors"
    reports: list[float] = []

    def killed(share: float) -> None:
        if share >= 0.5:
            raise KeyboardInterrupt

    def run(name: str, progress: object) -> None:
        pretrain(texts, SHAPE, CONFIG, STEPS, units=50, seed=0, checkpoint=(path, name), progress=progress)

    with pytest.raises(KeyboardInterrupt):
        run("one", killed)
    content = path.read_bytes()
    run("one", reports.append)
    assert reports == pytest.approx([step / 12 for step in range(7, 13)])

    path.write_bytes(content)
    for name, damage in (("two", content), ("one", content[:-1])):
        path.write_bytes(damage)
        reports.clear()
        run(name, reports.append)
        assert len(reports) == 12, "a checkpoint of another training, or a damaged one, is not continued"
