"""Files that an import takes in, in the test's own process."""

from pathlib import Path

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import ItemImport, Project
from labeling.models.jobs import worker_name


def take_in(project: Project, path: Path, *, strict: bool = True) -> ItemImport:
    """Import the file, and return the import."""
    job = register(project=project, user=None, path=path, name=path.name, strict=strict, taken_by=worker_name())
    import_items(Step(job, gives_way=False))
    return ItemImport.objects.get(job=job)
