"""Test that no worker takes over an import that `import_items` is running."""

import datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone
from factories import make_project

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.management.commands import import_items as command
from labeling.models import ItemImport, Job


@pytest.mark.django_db(transaction=True)
def test_an_import_that_goes_on_is_held_from_now_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    path = tmp_path / "texts.csv"
    path.write_text("text\none\ntwo\n")
    job = register(project=project, user=None, path=path, name=path.name, strict=False)
    Job.objects.filter(pk=job.pk).update(run_after=timezone.now() - datetime.timedelta(hours=5))
    stale: list[bool] = []

    def watched(step: Step) -> None:
        stale.append(Job.objects.stale(timezone.now()).exists())
        import_items(step)

    monkeypatch.setattr(command, "import_items", watched)
    call_command("import_items", project.slug, str(path))

    assert stale == [False]
    assert ItemImport.objects.get().accepted == 2
