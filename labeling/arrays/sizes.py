"""Divide a batch into picked and control items. Numbers only: web processes, which never load the selector, call it."""

from __future__ import annotations


def divide(others: int, reserved: int, *, batch_size: int, control_share: float) -> tuple[int, int]:
    """The numbers of picked items and control items in a batch from a pool with `reserved` items and `others`.

    The control items exceed the control share only if `others` do not fill the batch.
    """
    control = min(reserved, round(control_share * batch_size))
    control = max(control, min(reserved, batch_size - others))
    return min(batch_size - control, others), control
