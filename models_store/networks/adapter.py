"""An estimator behind the interface of a network: features in, embeddings and logits out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models_store import estimators
from models_store.estimators import Estimator
from models_store.estimators.base import LEAST_PROBABLE


@dataclass(frozen=True)
class AdapterConfig:
    """The name of the estimator, and whether its probabilities are one distribution over the classes (`softmax`), or
    one of yes and no for each class.
    """

    estimator: str
    softmax: bool


class Adapter(nn.Module):
    """A network around an estimator: (m, *input_shape) inputs -> (m, d) embeddings and (m, n_classes) logits.

    Its state is the estimator's.
    """

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.estimator: Estimator | None = None

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        assert self.estimator is not None
        scores = self.estimator.predict(inputs.flatten(1).numpy())
        p = torch.from_numpy(np.array(scores.probabilities, np.float32)).clamp(LEAST_PROBABLE, 1 - LEAST_PROBABLE)
        logits = p.log() if self.config.softmax else torch.logit(p)
        return torch.from_numpy(np.array(scores.embeddings, np.float32)), logits

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        assert self.estimator is not None
        return {name: torch.from_numpy(np.array(array, order="C")) for name, array in self.estimator.state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        kind = estimators.named(self.config.estimator)
        assert issubclass(kind, Estimator)
        self.estimator = kind.from_state({name: tensor.numpy() for name, tensor in state_dict.items()})
