"""Fixtures of the worlds that the adversary plays in."""

import pytest

from labeling.steps import batch_copies
from tests.finishing.conftest import whole_batches  # noqa: F401  a fixture for all tests here


@pytest.fixture(autouse=True)
def _many_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a batch many checks of near-copies, and trust them early: an adversary plays with both."""
    monkeypatch.setattr(batch_copies, "COPY_CHECKS", 0.5)
    monkeypatch.setattr(batch_copies, "COPY_ERROR", 0.3)
