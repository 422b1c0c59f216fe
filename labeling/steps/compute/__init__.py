"""Where the heavy work of the steps is done: by the worker itself, or by a Ray cluster. The setting COMPUTE says which.

Steps read rows, ask `compute` for arrays, and write rows. Another place to compute is another class with the same
methods: arrays, models and encoders go in and come out, never a row of the database.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from labeling.steps.compute.local import Local


def computing_by(where: str) -> Local:
    """The place that a value of COMPUTE names. A cluster is connected to when it is first asked for something."""
    if where == "local":
        return Local()
    if find_spec("ray") is None:
        raise ImproperlyConfigured(f"COMPUTE={where} needs Ray. Install it with: scripts/setup.sh requirements-ray.txt")
    from labeling.steps.compute.ray import OnRay  # an extra, which takes a second to load

    return OnRay(where)


compute = computing_by(settings.COMPUTE)
