"""How a batch is divided. Numbers only: web processes read it too, which load no selection."""

from __future__ import annotations


def divide(others: int, reserved: int, *, batch_size: int, control_share: float) -> tuple[int, int]:
    """Items that are picked, and items for control, of a batch from a pool of so many not reserved and reserved ones.

    Reserved items are taken beyond the control share only when nothing else is left.
    """
    control = min(reserved, round(control_share * batch_size))
    control = max(control, min(reserved, batch_size - others))
    return min(batch_size - control, others), control
