"""Test that a program claims tasks, answers, skips and takes back, and that repeated requests count once."""

from collections.abc import Callable
from typing import Any

import pytest
from factories import make_items, make_open_batch
from unreliable import CUTS, LOSES, unreliable

from labeling.models import Annotation, Project, Role
from marginalia_client import Marginalia, NotPermitted


def test_tasks_are_answered_once_though_responses_are_lost(
    live_server: Any, project: Project, token_of: Callable[[str], str]
) -> None:
    make_open_batch(project, make_items(project, 20))
    with unreliable(live_server.url) as network, Marginalia(network.url, token_of(Role.ANNOTATOR)) as server:
        tasks = server.project("digits").tasks
        network.faults = [LOSES]
        claim = tasks.claim(4)
        assert (len(claim.tasks), claim.remaining) == (4, 20)
        first, second, third, _ = [task["id"] for task in claim.tasks]
        network.faults = [CUTS]
        done = tasks.submit([{"task": first, "value": "7", "seconds": 1.5}, {"task": second, "value": "owl"}])
        assert len(done.accepted) == 1
        assert [each["code"] for each in done.rejected] == ["invalid"]
        network.faults = [LOSES, LOSES]
        assert len(tasks.skip(third, "unclear", seconds=2).accepted) == 1
        assert Annotation.objects.count() == 2
        assert tasks.undo(done.accepted[0])
        assert tasks.release() == 3
        assert server.project("digits").progress()["remaining"] == 19


def test_engineers_have_no_tasks(live_server: Any, token_of: Callable[[str], str]) -> None:
    with Marginalia(live_server.url, token_of(Role.ENGINEER)) as server, pytest.raises(NotPermitted):
        server.project("digits").tasks.claim()
