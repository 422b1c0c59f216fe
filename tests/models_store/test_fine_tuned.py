"""Test fine-tuning: a network of torchvision or timm starts from its weights and learns end to end."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from model_data import Pool
from test_backbone import IMAGES, SMALL, network_of, saved

from models_store import artifact, encoders
from models_store.config import TrainConfig
from models_store.encoders import EncoderSetupError
from models_store.encoders.backbone import Backbone
from models_store.encoders.fine_tuned import FineTuned
from models_store.encoders.pixels import Pixels
from models_store.onnx_export import to_onnx
from models_store.prediction import predict
from models_store.training import Recipe, Runtime, Trained, TrainingSet, train
from models_store.training.optimiser import GENTLY, parameter_groups
from tests.extent import some

QUICK = TrainConfig(epochs=2, min_steps=6, max_steps=6, batch_size=16)


@pytest.fixture(scope="module", params=some(SMALL))
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    weights = saved(network_of(request.param), tmp_path_factory.mktemp("w") / "w.safetensors")
    return FineTuned.fit([], architecture=request.param, weights=weights, size=32)


@pytest.fixture(scope="module")
def trained(fitted: FineTuned, digits: Pool) -> Trained:
    """Return a model that several tests use."""
    return trained_on(fitted, few_of(digits))


def few_of(digits: Pool) -> Pool:
    return Pool(digits.features[:80], digits.classes[:80], 10)


def trained_on(encoder: FineTuned, pool: Pool, config: TrainConfig = QUICK, **options):
    training_set = TrainingSet(pool.features, pool.classes, "single", pool.n_classes, encoder.input_shape)
    return train(training_set, Recipe(3, config, network=encoder.network(pool.n_classes)), Runtime(**options))


@pytest.fixture
def few(digits) -> Pool:
    return few_of(digits)


def answers(model, features) -> np.ndarray:
    return np.concatenate([part.best for part in predict(model, features)])


def test_it_sees_the_pictures_that_pixels_sees(fitted: FineTuned) -> None:
    features = fitted.encode(IMAGES)
    np.testing.assert_array_equal(features, Pixels(32).encode(IMAGES))
    assert (features.dtype, fitted.dim, fitted.input_shape) == (np.uint8, 3072, (3, 32, 32))


def test_it_begins_with_what_the_backbone_sees_and_with_all_classes_level(fitted: FineTuned) -> None:
    frozen = Backbone(fitted.architecture, fitted.weights, fitted.sight, fitted.width)
    network = fitted.network(7).eval()
    with torch.no_grad():
        embedding, logits = network(pictures(fitted.encode(IMAGES)))
    np.testing.assert_allclose(embedding.numpy(), frozen.encode(IMAGES), rtol=1e-4, atol=1e-5)
    assert torch.equal(logits, torch.zeros(3, 7))


def test_all_of_it_learns_but_norms_of_batches_and_the_encoder_keeps_its_weights(fitted: FineTuned, few: Pool) -> None:
    before = {name: value.copy() for name, value in fitted.weights.items()}
    trained = trained_on(fitted, few, QUICK)
    after = {name: value.numpy() for name, value in trained.model.network.body.state_dict().items()}
    for name, value in before.items():
        assert np.array_equal(value, after[name]) == ("running" in name or "num_batches" in name), name
        np.testing.assert_array_equal(value, fitted.weights[name])
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            trained.model.network.state_dict().values(), trained_on(fitted, few).model.network.state_dict().values(),
            strict=True,
        )
    )  # fmt: skip


def test_a_picture_alone_gives_what_it_gives_among_others(trained: Trained, few: Pool) -> None:
    model = trained.model
    among = np.concatenate([part.margins for part in predict(model, few.features[:70])])
    alone = [next(predict(model, few.features[row : row + 1])).margins[0] for row in range(0, 70, 23)]
    np.testing.assert_allclose(among[::23], alone, atol=1e-4)


def pictures(features: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(features).reshape(-1, 3, 32, 32)


def test_what_is_known_already_takes_smaller_steps(fitted: FineTuned) -> None:
    network = fitted.network(4)
    parts = {id(p): group["part"] for group in parameter_groups(network, 0.1) for p in group["params"]}
    for name, parameter in network.named_parameters():
        assert parts[id(parameter)] == (GENTLY if name.startswith("body.") else 1.0)


def test_a_version_is_whole_without_the_encoder_and_comes_back_as_it_was(
    fitted: FineTuned, trained: Trained, few: Pool, tmp_path: Path
) -> None:
    digest = artifact.save(str(tmp_path / "v1"), trained, manifest={})
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = artifact.load(tmp_path / "v1", digest=digest)
    assert torch.equal(torch.rand(3), expected), "loading draws no numbers from anybody"
    for one, other in zip(predict(model, few.features), predict(trained.model, few.features), strict=True):
        np.testing.assert_array_equal(one.margins, other.margins)
    saved_encoder = tmp_path / "encoder.npz"
    fitted.save(saved_encoder)
    again = encoders.load(saved_encoder)
    assert isinstance(again, FineTuned)
    assert (again.digest, again.dim, again.width) == (fitted.digest, fitted.dim, fitted.width)


def test_cut_short_it_ends_with_the_same_weights(
    fitted: FineTuned, trained: Trained, few: Pool, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def killed(at):
        if at.step == 3:
            raise Killed

    with pytest.raises(Killed):
        trained_on(fitted, few, checkpoint=tmp_path / "c", checkpoint_seconds=0, progress=killed)
    resumed = trained_on(fitted, few, checkpoint=tmp_path / "c")
    for name, tensor in trained.model.network.state_dict().items():
        assert torch.equal(tensor, resumed.model.network.state_dict()[name]), name


@pytest.mark.long
def test_it_becomes_an_onnx_graph_like_any_other(trained: Trained, few: Pool) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = trained.model
    session = runtime.InferenceSession(to_onnx(model, dtype=np.dtype(np.uint8), metadata={}))
    told = session.run(["probabilities"], {"features": few.features[:5].reshape(-1, 3, 32, 32)})[0]
    expected = np.concatenate(
        [part.probabilities for part in predict(model, few.features[:5], extras=["probabilities"])]
    )
    np.testing.assert_allclose(told, expected, atol=1e-4)


def test_without_its_library_a_version_is_refused_in_words(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact.save(str(tmp_path / "v1"), trained, manifest={})
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(artifact.ArtifactError, match=r"requirements-encoders\.txt"):
        artifact.load(tmp_path / "v1")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights = saved(network_of(SMALL[0]), tmp_path / "w.safetensors")
    with pytest.raises(EncoderSetupError, match="the weights are not those of"):
        FineTuned.fit([], architecture=SMALL[1], weights=weights)
