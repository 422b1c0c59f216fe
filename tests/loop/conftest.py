"""Networks train in this process: with one thread, as a worker beside a web server does."""

import pytest
import torch

from labeling.steps import baseline

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most trainings of a loop are those of what uniform labels would do: they are for the tests of that."""
    monkeypatch.setattr(baseline, "FREE_SECONDS", 0.0)
    monkeypatch.setattr(baseline, "SHARE", 0.0)
