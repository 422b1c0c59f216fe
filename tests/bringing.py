"""Import of files as a worker does it, for tests of what comes in."""

from pathlib import Path
from typing import Any

from factories import make_project

from labeling.intake.readers import PLAIN, Layout
from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import ItemImport, Project, User
from labeling.models.jobs import worker_name


def bring(
    project: Project, path: Path, *, user: User | None = None, layout: Layout = PLAIN, strict: bool = False
) -> ItemImport:
    """Import the file, whatever becomes of its rows."""
    name = path.name
    job = register(
        project=project, user=user, path=path, name=name, strict=strict, layout=layout, taken_by=worker_name()
    )
    import_items(Step(job, gives_way=False))
    assert job.item_import is not None
    job.item_import.refresh_from_db()
    return job.item_import


def bring_all(project: Project, path: Path, **options: Any) -> ItemImport:
    """Import a file without bad rows."""
    done = bring(project, path, **options)
    assert [(row.where, row.reason) for row in done.rejected_rows.all()] == []
    assert done.state == ItemImport.State.DONE, done.reason
    return done


def empty_like(first: Project, slug: str = "second") -> Project:
    """Create a project without items that asks the same."""
    classes = list(first.classes.order_by("index").values_list("name", flat=True))
    return make_project(slug, classes=classes, question=first.question, kind=first.kind)
