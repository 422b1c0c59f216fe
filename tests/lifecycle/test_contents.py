"""Test that the contents that a deletion would remove, taken from counters, equal the counted rows."""

import json
import uuid
from pathlib import Path

import pytest
from factories import make_items, make_member, make_open_batch, make_project

from labeling.insight.affected import contents_of
from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Annotation, Project, User
from labeling.models.jobs import worker_name
from labeling.projects.classes import guidelines
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

pytestmark = pytest.mark.django_db


def answers_and_skips(project: Project, user: User, *, guidelines_version: int = 0) -> None:
    """Give two answers and two skips; undo one of each."""
    tasks = queue.claim(project=project, user=user, count=4).tasks
    answers = [
        Answer(uuid.uuid4(), task.pk, 1, guidelines_version=guidelines_version)
        if number % 2
        else Answer(uuid.uuid4(), task.pk, None, skip_reason="unclear")
        for number, task in enumerate(tasks)
    ]
    assert len(submitting.submit(project=project, user=user, answers=answers).accepted) == 4
    for answer in answers[:2]:
        queue.undo(project=project, user=user, annotation_id=answer.id)


def import_labels(project: Project, folder: Path) -> None:
    rows = [{"id": f"t{number}", "text": f"number {number}", "label": str(number)} for number in range(5)]
    path = folder / "labels.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    job = register(project=project, user=None, path=path, name=path.name, strict=False, taken_by=worker_name())
    import_items(Step(job, gives_way=False))


def test_counters_equal_the_counted_rows(tmp_path: Path) -> None:
    project, other = make_project(), make_project("other")
    for each in (project, other):
        make_open_batch(each, make_items(each, 8))
        answers_and_skips(each, make_member(each, "ann"))
    import_labels(project, tmp_path)
    contents = contents_of(project)
    annotations = Annotation.objects.filter(task__batch__project=project)
    assert contents.annotations == annotations.count() == 9
    assert contents.labels == project.items.labeled().count() == 6
    assert contents.items == project.items.count() == 13
    assert contents_of(other).annotations == 4
    assert annotations.standing().count() == 7


def test_answers_are_counted_by_version_once_there_is_one() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 8))
    ann = make_member(project, "ann")
    answers_and_skips(project, ann)
    assert guidelines.answers_by_version(project) == {}
    assert guidelines.save(project=project, user=None, text="Look twice.") == 1
    assert guidelines.answers_by_version(project) == {0: 1}
    answers_and_skips(project, ann, guidelines_version=1)
    assert guidelines.answers_by_version(project) == {0: 1, 1: 1}
