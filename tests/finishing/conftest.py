from collections.abc import Iterator
from unittest.mock import patch

import pytest

from labeling.finishing import goal


@pytest.fixture(autouse=True, scope="module")
def whole_batches() -> Iterator[None]:
    """Let batches have the project's size under a goal: 1 % of these small pools are too few draws to look at."""
    with patch.object(goal, "STEP_SHARE", 1):
        yield
