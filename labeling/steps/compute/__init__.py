"""Run the heavy work of the steps on the worker itself or on a Ray cluster, by the setting COMPUTE.

Steps read rows, ask `compute` for arrays, and write rows. Each place to compute is a class with these methods. The
methods take and return arrays, models and encoders, never rows of the database.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from labeling.steps.compute.local import Local


def computing_by(where: str) -> Local:
    """Return the place to compute that a value of COMPUTE names. It connects to a cluster at the first call.

    Raises `ImproperlyConfigured` if the value needs Ray and Ray is not installed.
    """
    if where == "local":
        return Local()
    if find_spec("ray") is None:
        raise ImproperlyConfigured(f"COMPUTE={where} needs Ray. Install it with: scripts/setup.sh requirements-ray.txt")
    from labeling.steps.compute.ray import OnRay  # an extra, which takes a second to load

    return OnRay(where)


compute = computing_by(settings.COMPUTE)
