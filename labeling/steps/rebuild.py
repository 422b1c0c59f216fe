"""Rebuild a file that a step found damaged, and run the step again. A version that stays damaged picks no batch.

The log and the project's pages name each damaged file: `labeling.storage.arrays.damage`.
"""

from collections.abc import Callable

from labeling.loop.step import GaveWay, Step, StepFailed
from labeling.models import DamagedFile, ModelVersion, Project
from labeling.steps.model_inputs import VersionDamaged
from labeling.steps.rebuild_files import rebuild_version
from labeling.steps.stored_files import StoredFile, file_named
from labeling.storage.arrays import damage
from labeling.storage.disk.files import FileDamaged

# Items' files and uploads: only a backup can restore them.
NOT_REBUILT = ("media/", "uploads/")


def mending(run: Callable[[Step], None], step: Step) -> None:
    """Run the step, and again after each damaged file that it found and this function rebuilt.

    Raises `StepFailed`, which names the file, if a file cannot be rebuilt or is damaged a second time.
    """
    tried: set[str] = set()
    while True:
        try:
            run(step)
            return
        except FileDamaged as found:
            _mend(step, damage.name_of(step.job.project, found.path), found.problem, tried)
        except VersionDamaged as found:
            _mend_version(step, found, tried)
        step.job.refresh_from_db(fields=["batch", "project"])  # the rebuild may have changed their rows


def rebuild(step: Step) -> None:
    """Rebuild the project's files that are recorded as damaged, except those that only a backup can restore."""
    project = step.job.project
    for name in list(DamagedFile.objects.standing().filter(project=project).values_list("name", flat=True)):
        if step.urgent_work_is_due():
            raise GaveWay
        if name.startswith(NOT_REBUILT):
            continue
        file = file_named(project, name)
        if file is None:  # the project does not need it any more
            damage.mended(project, name)
        problem = problem_with(project, file) if file is not None else ""
        if not problem:
            continue
        try:
            _mend(step, name, problem, set())
        except StepFailed:
            continue  # `_mend` wrote the reason to the file's row
    with step.finish():
        pass


def problem_with(project: Project, file: StoredFile) -> str:
    """Check every byte of the file; return the damage in one line, or an empty string.

    Records the result, also on the file's version, so that a version whose files are whole again is used again.
    """
    version = project.versions.filter(pk=file.version.pk) if file.version else project.versions.none()
    try:
        file.check()
    except FileDamaged as found:
        damage.note_damage(project, file.name, found.problem)
        version.update(damaged=found.problem[:300])
        return found.problem
    damage.mended(project, file.name)
    version.exclude(damaged="").update(damaged="")
    return ""


def _mend(step: Step, name: str, problem: str, tried: set[str]) -> None:
    """Rebuild a file, and before it any damaged files that it is rebuilt from. Raises `StepFailed`."""
    project = step.job.project
    damage.note_damage(project, name, problem)
    file = file_named(project, name)
    if file is not None and file.version is not None:
        _mend_version(step, VersionDamaged(file.version, problem), tried)
        return
    try:
        if name in tried or file is None or file.rebuild is None:
            raise StepFailed(f"The file {name} is damaged: {problem}. Restore it from a backup, then retry.")
        tried.add(name)
        while True:
            try:
                file.rebuild(step)
                break
            except FileDamaged as other:
                _mend(step, damage.name_of(project, other.path), other.problem, tried)
            except VersionDamaged as other:
                _mend_version(step, other, tried)
    except StepFailed as failure:
        damage.not_mended(project, name, str(failure))
        raise
    damage.mended(project, name)


def _mend_version(step: Step, found: VersionDamaged, tried: set[str]) -> None:
    """Rebuild the version's derived files, or mark the version damaged. Raises `VersionDamaged` the second time."""
    version, project = found.version, step.job.project
    if version.files in tried:
        raise found
    tried.add(version.files)
    damage.note_damage(project, version.files, found.problem)
    try:
        rebuild_version(version)
    except VersionDamaged as still:
        ModelVersion.objects.filter(pk=version.pk).update(damaged=still.problem[:300])
        damage.not_mended(
            project,
            version.files,
            f"Version {version.number} picks no batch until its files are restored from a backup and `check_files` has "
            "found them whole." + (" Newer predictions pick batches at once." if version.is_given else ""),
        )
    else:
        ModelVersion.objects.filter(pk=version.pk).exclude(damaged="").update(damaged="")
        damage.mended(project, version.files)
