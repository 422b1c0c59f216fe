"""Test that a process checks COMPUTE at its start, and names the packages to install."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings import COMPUTE_PATTERN
from labeling.steps import compute


def test_forms() -> None:
    for value in ("local", "ray", "ray:auto", "ray://head:10001", "ray://10.0.0.7:1", "ray://[::1]:80"):
        assert re.match(COMPUTE_PATTERN, value), value
    for value in ("", "Ray", "ray:", "ray://head", "ray://:80", "ray:auto\n", "10.0.0.7:6379", "ray://a b:1"):
        assert not re.match(COMPUTE_PATTERN, value), value


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "find_spec", lambda name: None)
    with pytest.raises(
        ImproperlyConfigured, match=r"^COMPUTE=ray:auto needs Ray\..*scripts/setup\.sh requirements-ray"
    ):
        compute.computing_by("ray:auto")
