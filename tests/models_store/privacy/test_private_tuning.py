"""Test private fine-tuning: which weights learn, that clips and noise are right, and which networks are refused."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from models_store.networks import (
    Tuned,
    TunedConfig,
    TunedLanguage,
    TunedLanguageConfig,
    TunedTransformer,
    TunedTransformerConfig,
)
from models_store.networks.calibration import CalibrationLayer
from models_store.privacy import entropy, lora, tuning
from models_store.privacy.clipping import clipped_sum
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.steps import add_up
from models_store.privacy.training import train_private
from models_store.training import TrainingSet
from tests.extent import some

SIZE = 160


class Small(nn.Module):
    """Pictures of 8 x 8 through a convolution and a few layers."""

    def __init__(self, *more: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            *more,
            nn.Flatten(),
            nn.Linear(128, 16),
            nn.LayerNorm(16),
            nn.GELU(),
        )
        self.head = nn.Linear(16, 3)
        self.calibration = CalibrationLayer()
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def made_up(self, m: int) -> Tensor:
        return torch.randn(m, 3, 8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.body(x)
        return embedding, self.calibration(self.head(embedding))


def small(*more: nn.Module) -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Small(*more)


def vision_transformer() -> Tuned:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("test_vit", num_classes=0)
        tuned = Tuned(TunedConfig("timm/test_vit", SIZE, (0.5,) * 3, (0.5,) * 3, network.num_features, 3))
        tuned.body.load_state_dict(network.state_dict())
    return tuned


def language_model() -> TunedLanguage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TunedLanguage(TunedLanguageConfig(pieces=40, layers=2, width=16, heads=2, window=12, n_classes=3))


def sentence_model() -> TunedTransformer:
    shape = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes = {"intermediate_size": 32, "max_position_embeddings": 12}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        bert = {"model_type": "bert", "dtype": "float16", **shape, **sizes}
        return TunedTransformer(TunedTransformerConfig(bert, pieces=40, padding=0, width=16, window=12, n_classes=3))


def records(n: int) -> TrainingSet:
    """Return pictures whose class is the brightest colour."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, n)
    pictures = rng.normal(size=(n, 3, 8, 8)).astype(np.float32)
    pictures[np.arange(n), classes] += 1
    return TrainingSet(pictures.reshape(n, -1), classes, "single", 3, (3, 8, 8))


@pytest.mark.parametrize("layers", ["lora", "all"])
@pytest.mark.parametrize("make", [small, vision_transformer, language_model, sentence_model])
def test_clipped_sums_are_those_of_single_gradients(make: Any, layers: str) -> None:
    network = make()
    tuning.prepare(network, layers=layers)
    torch.manual_seed(1)
    for weight in network.parameters():  # LoRA's product and the head are 0 at first
        if weight.requires_grad:
            nn.init.normal_(weight, std=0.1)
    inputs = network.made_up(3)
    weights = [weight for weight in network.parameters() if weight.requires_grad]

    sums, norms = clipped_sum(network, lambda: network(inputs)[1].square().sum(dim=1), 0.1)

    single = [torch.autograd.grad(network(inputs[at : at + 1])[1].square().sum(), weights) for at in range(3)]
    expected = torch.stack([torch.cat([part.flatten() for part in parts]).norm() for parts in single])
    torch.testing.assert_close(norms, expected, rtol=1e-3, atol=1e-6)
    for place, weight in enumerate(weights):
        clipped = sum(parts[place] * min(1, 0.1 / norm) for parts, norm in zip(single, expected, strict=True))
        torch.testing.assert_close(sums[weight], clipped, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("layers", ["lora", "all"])
def test_only_the_chosen_layers_learn_and_adapters_are_merged(layers: str) -> None:
    network = vision_transformer()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = network.made_up(2)
    tuning.prepare(network, layers=layers)
    learning = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert "head.weight" in learning
    assert not any("pos_embed" in name or "cls_token" in name for name in learning)
    assert all(name.endswith(("down.weight", "up.weight")) for name in learning if layers == "lora" and "body" in name)
    for module in network.modules():
        if isinstance(module, lora.Lora):
            nn.init.normal_(module.up.weight, std=0.02)
    embedding = network(x)[0]
    lora.merge_adapters(network.body)
    torch.testing.assert_close(network(x)[0], embedding, rtol=1e-3, atol=1e-4)
    assert network.state_dict().keys() == before.keys()


@pytest.mark.parametrize("layers", some(["lora", "all"]))
def test_it_learns_what_noise_leaves(layers: str) -> None:
    training_set, network = records(400), small()
    config = PrivacyConfig(epsilon=8.0, delta=1e-4, steps=60)
    trained = train_private(training_set, config, seed=0, pretrained=network, layers=layers)
    inputs = torch.from_numpy(records(400).features).reshape(-1, 3, 8, 8)
    right = trained.model.network(inputs)[1].argmax(dim=1).numpy() == training_set.targets
    assert right.mean() > 0.7
    assert trained.privacy is not None
    assert trained.privacy["phases"] == [phase._asdict() for phase in config.phases(400)]
    assert torch.equal(network.head.weight, torch.zeros(3, 16)), "a copy was trained"


def test_one_record_more_moves_the_sum_by_the_clipping_norm_at_most() -> None:
    training_set, network, sums = records(40), small(), []
    tuning.prepare(network, layers="all")
    for rows in (np.arange(20), np.arange(21)):
        add_up(network, tuning._chunks(network, training_set, rows, 8), 0.01)
        sums.append(torch.cat([each.grad.flatten() for each in network.parameters() if each.grad is not None]))
    assert 0.0099 < float((sums[1] - sums[0]).norm()) <= 0.010001


def test_steps_are_divided_by_the_expected_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """#819, and a step without a record: noise alone."""
    monkeypatch.setattr(entropy, "gaussian", lambda shape, deviation: torch.full(tuple(shape), deviation))
    monkeypatch.setattr(entropy, "poisson_sample", lambda n, rate: np.array([], np.int64))
    config, gradients = PrivacyConfig(noise_multiplier=2.0, delta=1e-4, steps=6), []
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self: gradients.append(self.param_groups[0]["params"][0].grad.max().item())
    )
    train_private(records(303), config, seed=0, pretrained=small(), layers="lora")
    stages = config.phases(303)[1:]
    assert gradients == pytest.approx(
        [0.2 / (303 * stage.sampling_rate) for stage in stages for _ in range(stage.steps)]
    )


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (nn.BatchNorm2d(8), r"BatchNorm2d \(body\.1\) mixes records"),
        (Mixing(), "it mixes examples|learns in a way that cannot be clipped"),
    ],
)
@pytest.mark.parametrize("layers", ["lora", "all"])
def test_networks_that_mix_records_are_refused(layer: nn.Module, problem: str, layers: str) -> None:
    with pytest.raises(ValueError, match=problem):
        tuning.prepare(small(layer), layers=layers)


def test_a_layer_that_reads_the_weights_of_another_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(nn.functional.linear(x, self.linear.weight))

    with pytest.raises(ValueError, match=r"body\.1\.linear\.weight learns in a way that cannot be clipped"):
        tuning.prepare(small(Twice()), layers="all")
