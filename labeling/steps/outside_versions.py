"""Add versions that no training here made: registered models, and predictions from outside."""

from labeling.loop import batches
from labeling.loop.step import GaveWay
from labeling.models import Event, EventType, Job, ModelVersion, Project


def next_number(project: Project) -> int:
    newest = project.versions.newest()
    return newest.number + 1 if newest else 1


def training_of(project: Project) -> bool:
    """Return whether a training runs, which has the next number already."""
    return project.jobs.running().filter(kind=Job.Kind.TRAIN).exists()


def add(version: ModelVersion) -> None:
    """Save the version, and let it pick. Call it in the step's last transaction.

    Raises `GaveWay` if a training has begun since the version got its number, or another version came.
    """
    project = version.project
    # Trainings read the newest number when they begin. Locked, none begins or is enqueued before this commits.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    trainings = project.jobs.unfinished().filter(kind=Job.Kind.TRAIN)
    if not trainings.keep_waiting() or next_number(project) != version.number:
        raise GaveWay
    version.save()
    batches.version_came(project)
    judged = EventType.MODEL_HELD_BACK if version.held_back else EventType.MODEL_PASSED
    Event.objects.announce(judged, project, number=version.number)
