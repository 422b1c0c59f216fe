"""Test the loop on a Ray cluster whose head dies and returns: steps are put off, and nothing is done twice."""

from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project
from processes import environment, wait_until
from starter import Process

from benchmarks.ray_nodes import Nodes
from labeling.models import Job, Project

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.django_db(transaction=True)]


def put_off(project: Project, kind: str) -> bool:
    jobs = project.jobs.filter(kind=kind, state=Job.State.WAITING)
    return jobs.filter(reason__contains="(COMPUTE=ray:auto) does not answer").exists()


@pytest.mark.long
def test_the_head_dies_in_two_steps(tmp_path: Path, nodes: Nodes) -> None:
    project = digits_project(tmp_path, n=600)
    user = annotator(project)
    variables = {**environment(), "COMPUTE": "ray:auto", "RAY_ADDRESS": nodes.address}
    worker = Process(["worker"], variables)
    try:
        wait_until(Job.objects.running().filter(kind=Job.Kind.ENCODE).exists)
        nodes.kill_last()
        wait_until(lambda: put_off(project, Job.Kind.ENCODE), seconds=120)
        nodes.start_head()
        wait_until(project.batches.open().exists, seconds=120)
        answer_batch(project, user)
        wait_until(Job.objects.running().filter(kind=Job.Kind.TRAIN).exists)
        nodes.kill_last()
        wait_until(lambda: put_off(project, Job.Kind.EMBED), seconds=120)
        nodes.start_head()
        wait_until(project.batches.open().filter(number=2).exists, seconds=180)
    finally:
        worker.kill()
        print(worker.communicate()[0])  # noqa: T201
    assert project.versions.get().batch.number == 1
    assert sorted(project.items.values_list("row", flat=True)) == list(range(600))
    assert not Job.objects.filter(state=Job.State.FAILED).exists()
