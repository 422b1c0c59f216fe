"""Test the limits of steps in time and memory, that steps can be ended, and that a step delays no other project."""

import datetime
import os
import signal
import subprocess
import sys

import pytest
from django.utils import timezone
from factories import make_project
from processes import ON_LINUX, wait_until
from starter import Process
from steps_apart import enqueued, worker_of_steps

from labeling.loop import turns
from labeling.loop.step import GaveWay, Step
from labeling.models import Batch, Job, Project
from labeling.projects import lifecycle
from labeling.projects.encoders.encoder_settings import default_choice
from labeling.steps.running import forks
from labeling.steps.running.lanes import StepLimits
from labeling.steps.running.running import settings_for, unchanged
from tests.extent import some

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]
OFTEN = "from labeling.steps.running import lanes; lanes.HEARTBEAT_SECONDS = 0.1"
"""Lines for the worker, so that it soon notices a job that has changed."""


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def begun(job: Job) -> None:
    wait_until(lambda: state(job) == Job.State.RUNNING and job.phase != "")


def done(job: Job) -> None:
    wait_until(lambda: state(job) == Job.State.DONE)


def processes_of(worker: Process) -> list[int]:
    """Return the process ids of the worker and all its descendants."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listing.splitlines())}
    known = {worker.pid}
    while more := {pid for pid, parent in parents.items() if parent in known} - known:
        known |= more
    return sorted(known - {worker.pid})


def test_steps_that_hang_hold_no_other_project_and_end_with_their_worker() -> None:
    """`holds`: the step holds the interpreter lock, so that its own process cannot report progress."""
    hung = [enqueued("hangs"), enqueued("holds")]
    with worker_of_steps() as worker:
        for job in hung:
            begun(job)
        for number in range(3):
            done(enqueued(f"fine-{number}", Job.Kind.ENCODE))
        assert {state(job) for job in hung} == {Job.State.RUNNING}, "the others did not wait for them"
        children = processes_of(worker)
        assert children
        worker.kill()
        wait_until(lambda: not any(is_alive(pid) for pid in children))


def test_a_step_that_takes_too_long_is_ended_and_says_so() -> None:
    hung = enqueued("holds")
    with worker_of_steps(STEP_MAX_SECONDS="2"):
        wait_until(lambda: state(hung) == Job.State.FAILED)
    said = "Training the model took more than 0.000556 h, the limit for a step (STEP_MAX_SECONDS)."
    assert hung.reason.startswith(said)
    batch = Batch.objects.get()
    assert (batch.state, batch.reason) == (Batch.State.FAILED, hung.reason)


@pytest.mark.long
def test_a_step_that_eats_memory_is_ended_and_others_run() -> None:
    eats = enqueued("eats")
    with worker_of_steps(STEP_MEMORY_MB="600"):
        wait_until(lambda: state(eats) == Job.State.FAILED)
        done(enqueued("fine", Job.Kind.ENCODE))
    assert "took more than 600 MB of memory, the limit for steps (STEP_MEMORY_MB)" in eats.reason


def test_only_a_job_that_another_worker_has_is_lost() -> None:
    """The process of a step that has just ended is neither killed nor warned of, while it says so."""
    lingers, hung = enqueued("lingers"), enqueued("hangs", Job.Kind.ENCODE)
    with worker_of_steps(settings=OFTEN) as worker:
        begun(hung)
        done(lingers)
        before = processes_of(worker)
        Job.objects.filter(pk=hung.pk).update(worker="elsewhere:1:a", attempts=2)
        wait_until(lambda: processes_of(worker) != before)
        done(enqueued("fine", Job.Kind.ENCODE))
        worker.kill()
        log = worker.communicate()[0]
    assert f"Lost encode (job {hung.pk}" in log
    assert log.count("Lost ") == 1


@pytest.mark.long
@pytest.mark.parametrize("how", some(["model", "delete", "training", "archive"]))
def test_a_step_ends_with_the_setting_or_the_project_that_caused_it(how: str) -> None:
    hung = enqueued("hangs")
    project = hung.project
    with worker_of_steps(settings=OFTEN):
        begun(hung)
        if how in ("model", "training"):
            Project.objects.filter(pk=project.pk).update(
                **{how: {"name": "scikit-learn"} if how == "model" else {"epochs": 3}}
            )
            Project.objects.filter(pk=project.pk).update(slug="fine")  # what it does next
            done(hung)
            return
        if how == "archive":
            lifecycle.archive(project=project)
        else:
            lifecycle.delete(project=project, user=make_project("x").memberships.first(), name=project.name)
        wait_until(lambda: state(hung) == Job.State.WAITING)
        assert (hung.attempts, hung.reason) == (0, "")
        done(enqueued("fine", Job.Kind.ENCODE))
        assert state(hung) == Job.State.WAITING, "it is not begun again"


@pytest.mark.long
def test_more_projects_that_hang_than_lanes_hold_nobody() -> None:
    """One lane is kept for short steps; long steps take turns in the others."""
    quick = "turns.QUICK_SECONDS, turns.TURN_SECONDS = 1.0, 2.0"
    hung = [enqueued(f"hangs-{number}") for number in range(4)]
    with worker_of_steps(settings=quick, WORKER_STEPS="2"):
        wait_until(lambda: Job.objects.running().count() == 2)
        for number in range(2):
            done(enqueued(f"fine-{number}", Job.Kind.ENCODE))
        wait_until(lambda: Job.objects.filter(pk__in=[job.pk for job in hung], reason="").count() == 0)


@pytest.mark.long
def test_a_worker_that_is_told_twice_to_end_does_not_wait_for_its_step() -> None:
    hung = enqueued("hangs")
    with worker_of_steps() as worker:
        begun(hung)
        children = processes_of(worker)
        wait_until(lambda: worker.send_signal(signal.SIGTERM) or worker.poll() is not None, every=0.1)
        wait_until(lambda: not any(is_alive(pid) for pid in children))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ── who makes room ──


def test_a_step_that_just_began_is_left_alone_and_the_latest_of_long_ones_makes_room() -> None:
    long, later, quick = turns.Turn(1, 5000.0), turns.Turn(2, 90.0), turns.Turn(3, 20.0)
    assert turns.to_move([long, later], 2, new_waits=True, long_waits=False) == later
    assert turns.to_move([long, quick], 2, new_waits=True, long_waits=False) is None
    assert turns.to_move([long, later], 3, new_waits=True, long_waits=False) is None, "a lane is free"
    assert turns.to_move([long], 1, new_waits=True, long_waits=True) is None, "there is no other lane to go on in"


def test_long_steps_take_turns_each_twice_as_long_as_the_one_before() -> None:
    first, third = turns.Turn(1, turns.TURN_SECONDS), turns.Turn(2, 3 * turns.TURN_SECONDS, moved=2)
    assert turns.to_move([first, third], 3, new_waits=False, long_waits=True) == first
    assert turns.to_move([third], 2, new_waits=False, long_waits=True) is None
    assert turns.to_move([turns.Turn(1, 9e9, fixed=True)], 2, new_waits=True, long_waits=True) is None


def test_a_step_that_nobody_waits_for_leaves_the_processor_to_one_that_just_began() -> None:
    project, now = make_project("patient"), timezone.now()
    Job.objects.enqueue(Job.Kind.SURVEY, project=project)
    step = Step(Job.objects.get())
    assert Job.objects.take(step.job, "host:1:a", now)
    other = Job.objects.enqueue(Job.Kind.SELECT, project=make_project("other"))
    assert Job.objects.take(other, "host:1:a", now)
    with pytest.raises(GaveWay):
        step.patiently(lambda: None)
    Job.objects.filter(pk=other.pk).update(started_at=now - datetime.timedelta(minutes=2))
    step = Step(step.job)
    assert step.patiently(lambda: None)


def test_a_long_import_gives_way_to_its_own_project_and_to_none_that_could_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Step, "SLICE_SECONDS", 0)
    now = timezone.now()
    own, busy = make_project("own"), make_project("busy")
    step = Step(Job.objects.enqueue(Job.Kind.IMPORT, project=own))
    assert Job.objects.take(step.job, "host:1:a", now)
    hung = Job.objects.enqueue(Job.Kind.ENCODE, project=busy)
    assert Job.objects.take(hung, "host:1:a", now)
    Job.objects.enqueue(Job.Kind.SELECT, project=busy)
    moved = Job.objects.enqueue(Job.Kind.TRAIN, project=make_project("moved"))
    Job.objects.filter(pk=moved.pk).update(reason=turns.MOVED)
    assert not step.should_give_way()
    Job.objects.enqueue(Job.Kind.SELECT, project=own)
    assert step.should_give_way()


def test_the_same_choice_written_in_another_way_is_no_change() -> None:
    """Forms send all settings each time, so that an equal setting in another form is no change."""
    project = make_project("same")
    job = Job.objects.enqueue(Job.Kind.TRAIN, project=project)
    settings = settings_for(job.kind, project)
    Project.objects.update(model={"name": "network", "options": {}}, training={"epochs": 60}, lease_seconds=77)
    assert unchanged(job, settings)
    Project.objects.update(training={"epochs": 61})
    assert not unchanged(job, settings)


def test_an_encoding_that_chooses_the_encoder_is_not_begun_anew() -> None:
    project = make_project("first", encoder=default_choice("text"))
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    settings = settings_for(job.kind, project)
    Project.objects.update(encoder=default_choice("text", ["Der Zug nach Berlin fährt heute später ab."]))
    assert unchanged(job, settings), "the encoding did that itself"
    Project.objects.update(encoder={"name": "tfidf-svd", "options": {}})
    assert not unchanged(job, settings), "a manager did"


def test_a_private_training_is_not_begun_anew_for_a_setting() -> None:
    project = make_project("private", privacy_epsilon=4)
    job = Job.objects.enqueue(Job.Kind.TRAIN, project=project)
    settings = settings_for(job.kind, project)
    Project.objects.update(training={"epochs": 61})
    assert unchanged(job, settings), "each start spends some of the budget"
    lifecycle.archive(project=project)
    assert not unchanged(job, settings)


def test_the_memory_of_a_step_is_that_of_all_its_processes() -> None:
    program = "import sys; kept = b'x' * 64_000_000; print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert forks.own(child.pid) > 64_000_000
        assert forks.taken_by(os.getpid()) >= forks.own(os.getpid()) + 64_000_000
        child.communicate()
    assert forks.taken_by(child.pid) == 0, "it has gone"
    assert 0 < StepLimits.of(seconds=1, megabytes=0).memory < forks.there_is()
    assert StepLimits.of(seconds=1, megabytes=5).memory == 5 * 1024 * 1024
