"""Networks without their last layer, with weights from a local file: EfficientNet-Lite, and those of torchvision and
timm. No code here downloads anything.
"""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from models_store.encoders.base import EncoderSetupError, first_line, library
from models_store.encoders.pictures import Sight
from models_store.networks.efficientnet_lite import DEVIATION, MEAN, VARIANTS, EfficientNetLite

ENCODER = "backbone"
Weights = Mapping[str, Tensor]


class Body(NamedTuple):
    """A network without its last layer. `head`: the prefixes of that layer's parameters."""

    network: nn.Module
    head: tuple[str, ...]
    sight: Sight


def body_of(architecture: str) -> Body:
    """Build an untrained network by its name, "efficientnet/…", "torchvision/…" or "timm/…".

    Raises `EncoderSetupError` for an unknown name, a network without a last linear layer, or a missing library.
    """
    source, _, name = architecture.partition("/")
    if source not in _SOURCES or not name:
        known = ", ".join(f"{each}/" for each in _SOURCES)
        raise EncoderSetupError(f"architecture: {architecture!r} must begin with one of {known}.")
    # What is drawn here is replaced by the weights: nobody else's numbers may change by it.
    with torch.random.fork_rng(devices=[]):
        return _SOURCES[source](name)


def fill(body: Body, weights: Weights, *, architecture: str) -> nn.Module:
    """Load the weights into the network, and return it in evaluation mode. Raises `EncoderSetupError` if they do not
    fit.
    """
    try:
        unknown = body.network.load_state_dict(weights, strict=False)
    except RuntimeError as error:  # other shapes
        reason = str(error).splitlines()[-1].strip()
        raise EncoderSetupError(f"the weights are not those of {architecture}: {reason}") from error
    for names, problem in ((unknown.missing_keys, "lack"), (unknown.unexpected_keys, "have what it has not")):
        if names:
            raise EncoderSetupError(f"the weights are not those of {architecture}: they {problem}: {_listed(names)}.")
    return body.network.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the parameters in a `.safetensors` file or a file of `torch.save`, as tensors only.

    The parameters of a saved training are under "state_dict" or "model". Raises `EncoderSetupError` for any other file.
    """
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise EncoderSetupError(
            f"{path} holds more than tensors, which is not loaded. Save its state_dict alone, best as .safetensors."
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, SafetensorError) as error:
        raise EncoderSetupError(f"{path} cannot be read as weights: {first_line(error)}") from error
    for name in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(name), Mapping):
            state = state[name]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise EncoderSetupError(f"{path} holds no named tensors: save the network's state_dict.")
    # "module." is what training on several devices at once puts in front.
    return {str(name).removeprefix("module."): _plain(value) for name, value in state.items()}


def _plain(value: Tensor) -> Tensor:
    """Convert parameters of any precision to float32."""
    return (value.float() if value.is_floating_point() else value).contiguous()


def _listed(names: Iterable[str]) -> str:
    first, *more = sorted(names)
    return f"{first} and {len(more)} more" if more else first


def _efficientnet(name: str) -> Body:
    if name not in VARIANTS:
        raise EncoderSetupError(f"architecture: there is no efficientnet/{name}; known: {', '.join(VARIANTS)}.")
    variant = VARIANTS[name]
    return Body(EfficientNetLite(variant), ("_fc.",), Sight(variant.size, (MEAN,) * 3, (DEVIATION,) * 3))


def _torchvision(name: str) -> Body:
    models = library("torchvision", encoder=ENCODER).models
    if name not in models.list_models(module=models):
        raise EncoderSetupError(f"architecture: torchvision has no {name!r} for classifying images.")
    network = models.get_model(name, weights=None)
    linear = [at for at, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise EncoderSetupError(f"architecture: {name!r} has no last linear layer to leave out. Choose another.")
    network.set_submodule(linear[-1], nn.Identity())
    trained_on = models.get_model_weights(name).DEFAULT.transforms()
    sight = Sight(trained_on.crop_size[0], tuple(trained_on.mean), tuple(trained_on.std))
    return Body(network, (f"{linear[-1]}.",), sight)


def _timm(name: str) -> Body:
    timm = library("timm", encoder=ENCODER)
    # Of names that are not on its own list, some would be looked up on the network.
    if not timm.is_model(name):
        raise EncoderSetupError(f"architecture: timm has no {name!r}.")
    network = timm.create_model(name, pretrained=False, num_classes=0)
    classifier: Any = network.pretrained_cfg.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    trained_on = timm.data.resolve_data_config({}, model=network)
    sight = Sight(trained_on["input_size"][1], tuple(trained_on["mean"]), tuple(trained_on["std"]))
    return Body(network, tuple(f"{each}." for each in names), sight)


_SOURCES = {"efficientnet": _efficientnet, "torchvision": _torchvision, "timm": _timm}
