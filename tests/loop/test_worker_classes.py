"""Test workers that run some kinds of steps only."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from factories import make_project

from labeling.loop.step import Step
from labeling.management.commands import worker as command
from labeling.models import Job
from labeling.steps import registry
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db


def noted(ran: list[str]) -> Any:
    def run(step: Step) -> None:
        ran.append(step.job.kind)
        with step.finish():
            pass

    return run


def test_each_runs_its_own_kinds_and_ends_when_none_of_them_is_left() -> None:
    project = make_project()
    for kind in ("train", "encode", "embed", "select", "survey"):
        Job.objects.enqueue(kind, project=project)
    ran: list[str] = []
    Worker(noted(ran), drain=True, kinds=["train", "embed"]).run()
    assert sorted(ran) == ["embed", "train"]
    Worker(noted(ran), drain=True).run()
    assert sorted(ran[2:]) == ["encode", "select", "survey"]


def test_a_step_gives_way_to_what_its_worker_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long import would otherwise be interrupted again and again while a training waits for another worker."""
    monkeypatch.setattr(Step, "SLICE_SECONDS", 0)
    project = make_project()
    job = Job.objects.enqueue(Job.Kind.IMPORT, project=project)
    Job.objects.take(job, "here", timezone.now())
    Job.objects.enqueue(Job.Kind.TRAIN, project=make_project("other"))
    assert Step(job).should_give_way()
    assert Step(job, kinds=["import", "train"]).should_give_way()
    assert not Step(job, kinds=["import", "select"]).should_give_way()


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ([], set(Job.Kind)),
        (["--only", "train, embed"], {"train", "embed"}),
        (["--without", "train,embed"], set(Job.Kind) - {"train", "embed"}),
    ],
)
def test_the_command_takes_kinds(options: list[str], kinds: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Fake:
        def __init__(self, *args: Any, **options: Any) -> None:
            made.append(options["kinds"])

        def run(self) -> None: ...

    monkeypatch.setattr(command, "Worker", Fake)
    call_command("worker", "--drain", *options)
    assert set(made[0]) == kinds


def test_a_kind_that_is_none_is_refused_with_all_there_are() -> None:
    with pytest.raises(
        CommandError, match=r"--only: 'gpu' is no kind of step\. There are: baseline, calibrate, .*train\."
    ):
        call_command("worker", "--only", "gpu")


def test_a_worker_without_work_asks_one_question(django_assert_num_queries: Any) -> None:
    Job.objects.enqueue(Job.Kind.ENCODE, project=make_project(), delay_seconds=60)
    worker = Worker(lambda step: None)
    with django_assert_num_queries(1):
        assert not worker.run_next()


def test_every_kind_of_step_has_its_function() -> None:
    assert set(registry.STEPS) == set(Job.Kind)
