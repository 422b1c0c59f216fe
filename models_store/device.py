"""Where networks run: on a GPU if there is one."""

import torch


def best_device() -> torch.device:
    """The first GPU, or the processor."""
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it faster and the loss does not suffer: on GPUs that have it. A
    processor's small matrices gain nothing from it.
    """
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed torch's global generators of the processor and, if it is one, of the GPU. `torch.manual_seed` asks all kinds
    of devices besides, those that are not there too, and writes down who called: 0.3 to 0.7 ms of a step of 3.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
