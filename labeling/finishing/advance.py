"""Advance a project towards its goal: read what people answered, prove, certify, and plan the next audit."""

from __future__ import annotations

from labeling.loop.step import Step
from labeling.models import Project


def advance(step: Step, project: Project) -> None:
    """Do what the project's goal needs now. A second call without new answers changes nothing."""
