"""What the settings page foretells is what the selection does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeling.pipeline import plan
from labeling.web.consequences import Pool, consequence, next_batch


@given(
    unlabeled=st.integers(1, 300),
    reserved_share=st.floats(0, 1),
    batch_size=st.integers(1, 400),
    candidate_factor=st.floats(1, 20),
    control_share=st.floats(0, 0.9),
)
def test_the_sizes_are_those_of_the_plan(
    unlabeled: int, reserved_share: float, batch_size: int, candidate_factor: float, control_share: float
) -> None:
    reserved = int(unlabeled * reserved_share)
    rows = np.arange(unlabeled)
    planned = plan.plan_batch(
        plan.Pool(rows=rows, reserved=rows < reserved, control_keys=rows / unlabeled),
        batch_size=batch_size,
        control_share=control_share,
        strategy="cluster-margin",
        candidate_factor=candidate_factor,
        margins=np.linspace(0, 1, unlabeled, dtype=np.float32),
        clusters=rows // 3,
        rng=np.random.default_rng(0),
    )
    foretold = next_batch(
        Pool(unlabeled, reserved),
        batch_size=batch_size,
        candidate_factor=candidate_factor,
        control_share=control_share,
    )
    control = int(planned.is_control.sum())
    assert (foretold.picked, foretold.candidates, foretold.control) == (
        len(planned.rows) - control,
        planned.candidates,
        control,
    )


def test_the_sentence() -> None:
    settings = {"batch_size": 100, "candidate_factor": 5.0, "control_share": 0.2}
    text = consequence(Pool(1797, 360), strategy="cluster-margin", **settings)
    assert text.replace("\u00a0", " ") == (
        "Next batch: 80 of the 400 items that the model doubts most, and 20 at random for control. "
        "That is 5.6 % of the 1,797 unlabeled items: 18 rounds until none is left."
    )
    assert "80 at random, and" in consequence(Pool(1797, 360), strategy="uniform", **settings)
    assert "No item is left" in consequence(Pool(0, 0), strategy="margin", **settings)
