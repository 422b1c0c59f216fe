"""Fine-tuning: a pretrained network of torchvision or timm with a new last layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models_store.networks.calibration import CalibrationLayer


@dataclass(frozen=True)
class TunedConfig:
    """The settings of a pretrained network. `mean` and `deviation` of each colour belong to the pictures of the
    pretraining.
    """

    architecture: str
    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    embedding_dim: int
    n_classes: int

    def __post_init__(self) -> None:
        # JSON has no tuples.
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "deviation", tuple(self.deviation))
        if min(self.size, self.embedding_dim, self.n_classes) < 1 or len(self.mean) != 3 or len(self.deviation) != 3:
            raise ValueError(f"not a network: {self}")


class Tuned(nn.Module):
    """The network without its last layer, and a new last layer. It takes uint8 pictures, (m, 3, size, size).

    Batch norms keep their statistics: a picture's result must not depend on other pictures, and small batches would
    give poor statistics. Raises `EncoderSetupError` (a ValueError) if the library is missing."""

    gentle = "body."
    """The prefix of pretrained parameters, which large steps would spoil."""
    most_rows = 32
    """The most pictures at once: in training, such networks take tens of megabytes for each picture."""

    def __init__(self, config: TunedConfig) -> None:
        # torchvision and timm are extras: the other networks do without.
        from models_store.encoders.architectures import body_of

        super().__init__()
        self.config = config
        self.body = body_of(config.architecture).network
        self.head = nn.utils.skip_init(nn.Linear, config.embedding_dim, config.n_classes)
        # All classes start equal, so that a class without labels stays undecided rather than random.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.calibration = CalibrationLayer()

    def made_up(self, m: int) -> Tensor:
        """Return (m, 3, size, size) inputs of chance."""
        return torch.randint(0, 256, (m, 3, self.config.size, self.config.size), dtype=torch.uint8)

    def train(self, mode: bool = True) -> "Tuned":
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (
            torch.tensor(each, device=x.device).reshape(3, 1, 1) for each in (self.config.mean, self.config.deviation)
        )
        if x.dtype == torch.uint8:
            x = x.float() / 255
        embedding = self.body((x - mean) / deviation)
        return embedding, self.calibration(self.head(embedding))
