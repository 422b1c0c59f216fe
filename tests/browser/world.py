"""An installation in use, for tests of all pages: projects that are full, empty, waiting or broken."""

import datetime
import uuid
from typing import Any

import numpy as np
import orjson
from django.utils import timezone
from factories import (
    make_guidelines_image,
    make_items,
    make_member,
    make_open_batch,
    make_project,
    make_source,
    make_webhook,
    recount,
)
from pages import make_dataset, make_history, make_prediction
from pools import make_audit, make_certificate, pool_project

from labeling.models import (
    Annotation,
    Batch,
    Comment,
    Copy,
    Finish,
    Item,
    ItemImport,
    Job,
    Notice,
    NoticeKind,
    PredictionRun,
    Project,
    Registration,
    Role,
    Task,
)
from labeling.models.jobs import worker_name
from labeling.projects.classes import guidelines
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles, save_array
from labeling.storage.arrays.stored import LABELED, PICKED, REST, PoolMap

ACCURACY = [(0.72, 0.59, 0.82), (0.86, 0.75, 0.93), (0.93, 0.84, 0.97), (0.95, 0.86, 0.98)]
ANIMALS = ["cat", "dog", "horse", "sheep", "mountain goat", "pig", "hen"]
GUIDELINES = """\
Type the digit that you **read**.

## In doubt

- a *7* may have a bar
- a *1* may have a foot: see [the sheet](https://example.org/digits)

![](bar.png)

| looks like | take |
|------------|-----:|
| 1 or 7     |    7 |
"""


def lively_project() -> Project:
    """Create a project with four finished batches and an open one, members of every role, and imports in every
    state.
    """
    project = make_project("digits", kind="image", name="Handwritten digits", prompt="Which digit is this?")
    make_guidelines_image(project, "bar.png", "A 7 with a bar")
    guidelines.save(project=project, user=None, text=GUIDELINES)
    make_guidelines_image(project, "not-used-by-any-version-of-the-guidelines.png", "A 1 with a foot")
    make_history(project, len(ACCURACY), size=12)
    for version, (value, low, high) in zip(project.versions.order_by("number"), ACCURACY, strict=True):
        training = {"steps": 1480, "trained_on": 96, "held_back": 12, "calibrated_on": 24}
        version.metrics = {"control": {"accuracy": value, "low": low, "high": high, "n": 58}, "training": training}
        version.save()
    Batch.objects.filter(number=2).update(
        batch_size=12, candidates=60, candidate_factor=5, mean_cluster_size=10, clusters=179, cut_height=0.1243,
        control_tasks=2, pool_size=1697, pool_rows=1797, select_seconds=0.13,
        features_hash="3f" * 32, margins_hash="a7" * 32, dendrogram_hash="0c" * 32,
    )  # fmt: skip
    for number, state in enumerate(ItemImport.State.values):
        reason = "scans.csv: line 3: column “image” is missing." if state in ("failed", "refused") else ""
        ItemImport.objects.create(
            project=project, name=f"scans-{number}.zip", path="/nowhere", state=state, reason=reason,
            accepted=400 * number, rejected=3 * number,
        )  # fmt: skip
    fill_predictions(project)
    fill_pool(project)
    for name, role in (("annie", Role.ANNOTATOR), ("bert", Role.ANNOTATOR), ("enzo", Role.ENGINEER)):
        make_member(project, name, role)
    return project


def fill_pool(project: Project) -> None:
    """Write predictions of the two newest versions for the pool, some of them wrong, and a map."""
    items = make_items(project, 60, first=100, reserved=True)
    for item in items:
        item.label = item.truth
    Item.objects.bulk_update(items, ["label"])
    truth = np.array([0] * 100 + [item.truth for item in items], np.int32)
    for number, wrong in ((3, slice(100, 122)), (4, slice(118, 126))):
        said = truth.copy()
        said[wrong] = (truth[wrong] + 7) % 10
        said[:40:number] = number
        files, version = ProjectFiles(project), project.versions.get(number=number)
        save_array(files.pool(version, "best"), said)
        save_array(files.pool(version, "confidence"), np.linspace(0.4, 0.99, len(said), dtype=np.float32))
    rng = np.random.default_rng(1)
    kinds = np.repeat(np.array([REST, LABELED, PICKED], np.uint8), (160, 20, 60))
    drawn = PoolMap(rng.random((240, 2), np.float32), kinds, rng.integers(0, 30, 240))
    stored.save(ProjectFiles(project).map(2), drawn)


def fill_predictions(project: Project) -> None:
    """Create prediction runs that wait, run, are done and have failed."""
    version = project.versions.get(number=3)
    rows = [
        {"where": f"night-{n:04}.png", "external_id": f"night-{n:04}.png", "label": str(n), "confidence": 0.42 + n / 20,
         "margin": 0.02 + n / 12}
        for n in range(10)
    ]  # fmt: skip
    content = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    rejections = [{"where": "notes.txt", "reason": "The file is no image: leave it out or convert it."}]
    make_dataset(project, "spring")
    make_dataset(project)
    for state, reason in (("waiting", ""), ("failed", "The model does not know 'seven': train it with all classes.")):
        Registration.objects.create(project=project, name=f"{state}.zip", path="/nowhere", state=state, reason=reason)
    for state in PredictionRun.State.values:
        run = make_prediction(version, name=f"night-{state}.zip", state=state)
        values = {"finished_at": timezone.now()} if state in ("done", "failed") else {}
        if state == "done":
            values |= {"predicted": 1200, "rejected": 1, "rejections": rejections, "size": len(content)}
        reason = "night-failed.zip: the file is damaged: create it again" if state == "failed" else ""
        PredictionRun.objects.filter(pk=run.pk).update(reason=reason, **values)
        job_state = {"waiting": "waiting", "running": "running"}.get(state, "done")
        Job.objects.filter(prediction=run).update(
            state=job_state, phase=f"predicting {run.name}", share=0.41, heartbeat_at=timezone.now(),
            worker=worker_name(),
        )  # fmt: skip
        path = ProjectFiles(project).owned(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if state == "done" else b"")


def answer_history(project: Project) -> None:
    """Give every finished task an answer of annie's or bert's, with a skip and a flag among them."""
    annie, bert = (make_member(project, name) for name in ("annie", "bert"))
    tasks = Task.objects.filter(batch__project=project, batch__state=Batch.State.DONE).order_by("batch", "rank")
    start = timezone.now() - datetime.timedelta(hours=2)
    for number, task in enumerate(tasks):
        skipped = number % 11 == 10
        annotation = Annotation.objects.create(
            pk=uuid.UUID(int=number + 1), task=task, user=annie if number % 3 else bert,
            value=None if skipped else 1, skip_reason="Cannot be made out" if skipped else "",
            seconds=1.5 + number % 4, flagged=number % 13 == 0,
        )  # fmt: skip
        Annotation.objects.filter(pk=annotation.pk).update(created_at=start + datetime.timedelta(seconds=20 * number))
    flagged = Annotation.objects.filter(task__in=tasks, user=annie, flagged=True).earliest("created_at")
    item, rita = flagged.task.shown, make_member(project, "rita", Role.REVIEWER)
    Comment.objects.create(item=item, annotation=flagged, user=annie, text="It may be a 7 with a bar.")
    Comment.objects.create(item=item, user=rita, to=annie, text="A 7: look at the angle.")
    Task.objects.filter(pk__in=tasks).update(outstanding=0, free=0)
    recount(project)


def broken_project() -> Project:
    """Create a project with a failed batch, and a step without a worker."""
    project = make_project("broken", name="Street signs")
    batch = make_open_batch(project, make_items(project, 6), number=2)
    Batch.objects.filter(pk=batch.pk).update(
        state=Batch.State.FAILED, remaining=0, reason="The disk is full. Free some space, then retry."
    )
    Job.objects.create(project=project, kind=Job.Kind.ENCODE, run_after=timezone.now() - datetime.timedelta(minutes=5))
    return project


def annotators_projects() -> list[Project]:
    """Create a project for each way of answering."""
    made = []
    for slug, question, kind, classes in (
        ("verify", "verify", "image", ANIMALS),
        ("multi", "multi", "text", ANIMALS),
        ("score", "score", "text", [str(point) for point in range(1, 11)]),
        ("search", "single", "vector", [f"{size} {name}" for size in ("grey", "red", "tiny") for name in ANIMALS]),
        ("many", "multi", "image", [f"{size} {name}" for size in ("grey", "red", "tiny") for name in ANIMALS]),
    ):
        project = make_project(slug, kind=kind, classes=classes, question=question, name=slug.capitalize())
        make_open_batch(project, make_items(project, 20))
        made.append(project)
    project = make_project("grid", kind="image", classes=ANIMALS, question="verify", name="Grid", grids=True)
    make_open_batch(project, make_items(project, 40))
    return [*made, project]


def project_with_copies(
    kind: str = "image", *, beside: int = 4, tasks: int = 12, slug: str = "copies", **settings: Any
) -> Project:
    """Create a project whose open batch shows this many near-copies beside each item."""
    settings = {"name": "Near-copies", "near_copies": max(beside, 4), **settings}
    project = make_project(slug, kind=kind, **settings)
    asked = make_items(project, tasks)
    batch = make_open_batch(project, asked)
    others = make_items(project, tasks * beside, first=100)
    Copy.objects.bulk_create(
        Copy(of=asked[number // beside], item=item, batch=batch, height=number / 1000)
        for number, item in enumerate(others)
    )
    return project


def twice_answered() -> Project:
    """Create thirty items with answers of three people, some of them different, and a few gold items."""
    project = make_project("twice", name="Answered twice", classes=["barn owl", "tawny owl", "little owl", "none"])
    items = make_items(project, 36)
    batch = make_open_batch(project, items, overlap=3)
    tasks = list(batch.tasks.order_by("rank"))
    for person, name in enumerate(("annie", "bert", "carol")):
        user = make_member(project, name)
        Annotation.objects.bulk_create(
            Annotation(task=task, user=user, value=(task.item.truth + (task.rank % 7 == person)) % 4) for task in tasks
        )
    for task in tasks[30:]:
        Item.objects.filter(pk=task.item_id).update(gold=task.item.truth)
        Task.objects.filter(pk=task.pk).update(item=None, repeats=task.item_id, is_gold=True)
    recount(project)
    return project


def finishing_project() -> Project:
    """Create a project whose goal runs, with an audit and two certificates, one of them suspended."""
    project = pool_project(name="Certified shapes", hourly_cost=17, currency="EUR")
    version = project.versions.get()
    Finish.objects.create(project=project, by_class=True, forecasts=[])
    make_certificate(version, number=1, suspended_at=timezone.now(), suspended_for="Classes 3 and 8 were merged.")
    make_certificate(version, number=2)
    make_audit(version, attempt=3)
    return project


def fill_world(manager: str = "mona") -> None:
    """Create all projects, with `manager` as their manager."""
    lively = lively_project()
    answer_history(lively)
    make_webhook(lively, events=7)
    make_source(lively, problem="nowhere.invalid is not responding, or failed (ConnectError). Try again later.")
    empty = make_project("empty", name="Nothing yet")
    finished = make_project("finished", name="All done")
    done = make_open_batch(finished, make_items(finished, 4))
    Batch.objects.filter(pk=done.pk).update(state=Batch.State.DONE, remaining=0, completed_at=timezone.now())
    Item.objects.filter(project=finished).update(label=1, agreement=1, labeled_at=timezone.now())
    recount(finished)
    copies = [project_with_copies(), project_with_copies("text", slug="text-copies")]
    for project in (
        lively,
        empty,
        finishing_project(),
        finished,
        twice_answered(),
        broken_project(),
        *annotators_projects(),
        *copies,
    ):
        make_member(project, manager, Role.MANAGER)
    for kind in NoticeKind:
        if kind.ability:
            Notice.objects.tell_members(kind, lively, number=1)
