"""Test the backbone encoder: networks of torchvision and timm without their last layer, with local weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from model_data import as_file
from PIL import Image
from torch import nn

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError
from models_store.encoders.backbone import Backbone
from models_store.encoders.pictures import picture
from tests.extent import some

IMAGES = [as_file(Image.linear_gradient("L").resize((40, 30)).rotate(angle)) for angle in (0, 90, 200)]
SMALL = ("timm/test_resnet", "torchvision/shufflenet_v2_x0_5")


def network_of(architecture: str, seed: int = 0) -> nn.Module:
    """Return the library's whole network, with its last layer and random weights."""
    import timm
    import torchvision

    source, name = architecture.split("/")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = timm.create_model if source == "timm" else torchvision.models.get_model
        return make(name).eval()


def saved(network: nn.Module, path: Path) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return path


def last_linear(network: nn.Module) -> nn.Linear:
    return [module for module in network.modules() if isinstance(module, nn.Linear)][-1]


def before_the_last_layer(
    network: nn.Module, pictures: np.ndarray, mean: float | tuple, std: float | tuple
) -> np.ndarray:
    """Return the input of the last layer when the whole network runs."""
    caught: list[torch.Tensor] = []
    last_linear(network).register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    x = torch.from_numpy(pictures).float().div(255)
    with torch.no_grad():
        network((x - torch.tensor(mean).reshape(-1, 1, 1)) / torch.tensor(std).reshape(-1, 1, 1))
    return caught[0].numpy()


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("architecture", "size", "dim", "colours"),
    some(
        [
            ("timm/test_resnet", 160, 96, (0.5, 0.5)),
            ("timm/test_vit", 160, 64, (0.5, 0.5)),
            ("torchvision/shufflenet_v2_x0_5", 224, 1024, IMAGENET),
            ("torchvision/resnet18", 224, 512, IMAGENET),
            ("torchvision/mobilenet_v3_small", 224, 1024, IMAGENET),
        ],
        2,
    ),
)
def test_features_are_what_goes_into_the_last_layer(
    architecture: str, size: int, dim: int, colours: tuple, tmp_path: Path
) -> None:
    network = network_of(architecture)
    encoder = Backbone.fit([], architecture=architecture, weights=saved(network, tmp_path / "w.safetensors"))
    features = encoder.encode(IMAGES)
    assert (features.shape, features.dtype, encoder.input_shape) == ((3, dim), np.float32, (dim,))
    pictures = np.stack([picture(raw, size, index=0) for raw in IMAGES])
    np.testing.assert_allclose(features, before_the_last_layer(network, pictures, *colours), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", SMALL)
def test_an_image_alone_gives_what_it_gives_among_others(architecture: str, tmp_path: Path) -> None:
    weights = saved(network_of(architecture), tmp_path / "w.pth")
    encoder = Backbone.fit([], architecture=architecture, weights=weights, size=64)
    many = IMAGES * 12  # more than go through at once
    alone = np.concatenate([encoder.encode([raw]) for raw in IMAGES])
    np.testing.assert_allclose(encoder.encode(many), np.tile(alone, (12, 1)), rtol=1e-4, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_the_same_weights_are_the_same_encoder_however_they_were_saved(tmp_path: Path) -> None:
    network = network_of(SMALL[0])
    whole_training = {"epoch": 3, "state_dict": {f"module.{name}": p for name, p in network.state_dict().items()}}
    torch.save(whole_training, tmp_path / "checkpoint.pt")
    last_linear(network).reset_parameters()  # what is left out makes no difference
    paths = [saved(network, tmp_path / "a.safetensors"), saved(network, tmp_path / "b.pth"), tmp_path / "checkpoint.pt"]
    digests = {Backbone.fit([], architecture=SMALL[0], weights=path).digest for path in paths}
    assert len(digests) == 1
    other = saved(network_of(SMALL[0], seed=1), tmp_path / "c.pth")
    assert Backbone.fit([], architecture=SMALL[0], weights=other).digest not in digests
    assert Backbone.fit([], architecture=SMALL[0], weights=paths[0], size=96).digest not in digests


@pytest.mark.parametrize("architecture", SMALL)
def test_the_saved_encoder_is_whole_without_the_file(architecture: str, tmp_path: Path) -> None:
    weights = saved(network_of(architecture), tmp_path / "w.safetensors")
    fitted = Backbone.fit([], architecture=architecture, weights=weights, size=64)
    digest = fitted.save(tmp_path / "encoder.npz")
    weights.unlink()
    loaded = encoders.load(tmp_path / "encoder.npz")
    assert (loaded.digest, loaded.dim, loaded.input_shape) == (digest, fitted.dim, fitted.input_shape)
    np.testing.assert_array_equal(loaded.encode(IMAGES), fitted.encode(IMAGES))


def test_setting_up_draws_no_numbers_from_anybody(tmp_path: Path) -> None:
    weights = saved(network_of(SMALL[0]), tmp_path / "w.pth")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Backbone.fit([], architecture=SMALL[0], weights=weights)
    assert torch.equal(torch.rand(3), expected)


def test_a_damaged_image_is_refused_by_its_place(tmp_path: Path) -> None:
    encoder = Backbone.fit([], architecture=SMALL[0], weights=saved(network_of(SMALL[0]), tmp_path / "w.pth"))
    with pytest.raises(EncodingError, match="item 1: not an image that can be read"):
        encoder.encode([IMAGES[0], IMAGES[1][:50], b"no image either"])


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("resnet18", "must begin with one of efficientnet/, torchvision/, timm/"),
        ("timm/", "must begin with one of efficientnet/, torchvision/, timm/"),
        ("efficientnet/lite9", "there is no efficientnet/lite9; known: lite0, lite2"),
        ("timm/nonesuch", "timm has no 'nonesuch'"),
        ("timm/hf-hub:somebody/something", "timm has no 'hf-hub:somebody/something'"),
        ("torchvision/nonesuch", "torchvision has no 'nonesuch' for classifying"),
        ("torchvision/fasterrcnn_resnet50_fpn", "torchvision has no .* for classifying"),
        ("torchvision/squeezenet1_1", "has no last linear layer"),
        ("timm/test_vit", "the weights are not those of timm/test_vit: they lack: "),
        ("timm/test_efficientnet", "the weights are not those of timm/test_efficientnet"),
    ],
)
def test_an_architecture_that_will_not_do_is_told_in_one_line(architecture: str, said: str, tmp_path: Path) -> None:
    weights = saved(network_of("timm/test_resnet"), tmp_path / "w.pth")
    with pytest.raises(EncoderSetupError, match=said) as error:
        Backbone.fit([], architecture=architecture, weights=weights)
    assert "\n" not in str(error.value)


def test_a_size_that_the_network_does_not_take_is_told(tmp_path: Path) -> None:
    weights = saved(network_of("timm/test_vit"), tmp_path / "w.pth")
    with pytest.raises(EncoderSetupError, match="timm/test_vit takes no images of 100 pixels") as error:
        Backbone.fit([], architecture="timm/test_vit", weights=weights, size=100)
    assert "\n" not in str(error.value)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.path),))


def spoiled(how: str, folder: Path) -> Path:
    network = network_of(SMALL[0])
    if how == "a folder":
        return folder
    if how == "cut off":
        path = saved(network, folder / "w.safetensors")
        path.write_bytes(path.read_bytes()[:5000])
        return path
    path = folder / "w.pth"
    if how == "empty":
        path.touch()
    elif how == "text":
        path.write_text("hello")
    elif how == "code":
        torch.save({"state_dict": network.state_dict(), "options": Trap(folder / "sprung")}, path)
    elif how == "no names":
        torch.save([torch.zeros(3)], path)
    else:
        state = network.state_dict()
        state["layer4.0.conv1.weight"] = torch.zeros(2, 2)
        torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("a folder", "cannot be read as weights"),
        ("cut off", "cannot be read as weights"),
        ("empty", "cannot be read as weights"),
        ("text", "is not loaded|cannot be read as weights"),
        ("code", "holds more than tensors, which is not loaded"),
        ("no names", "holds no named tensors"),
        ("other shapes", "the weights are not those of timm/test_resnet: size mismatch"),
    ],
)
def test_weights_that_will_not_do_are_told_in_one_line_and_no_code_is_run(how: str, said: str, tmp_path: Path) -> None:
    path = spoiled(how, tmp_path)
    with pytest.raises(EncoderSetupError, match=said) as error:
        Backbone.fit([], architecture=SMALL[0], weights=path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.long
@pytest.mark.parametrize("missing", some(["timm", "torchvision"]))
def test_nothing_asks_the_network_and_a_missing_library_is_told(missing: str, tmp_path: Path) -> None:
    architecture, other = SMALL if missing == "torchvision" else SMALL[::-1]
    weights = saved(network_of(architecture), tmp_path / "w.safetensors")
    code = f"""
import sys
from pathlib import Path
def forbid(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"{{event}} {{arguments}}")
sys.addaudithook(forbid)
from models_store.encoders import EncoderSetupError
from models_store.encoders.backbone import Backbone
sys.modules[{missing!r}] = None
try:
    Backbone.fit([], architecture={other!r}, weights=Path({str(weights)!r}))
except EncoderSetupError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout.startswith(f"The encoder 'backbone' needs the package {missing}"), done.stderr
    assert done.stdout.endswith("scripts/setup.sh requirements-encoders.txt\n")
