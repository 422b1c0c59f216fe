"""Helpers for tests of pages: a project with signed-in members of every role, and functions that read a page."""

import html
import re
from typing import Any

from django.http import HttpResponse
from django.test import Client
from factories import make_items, make_member, make_open_batch

from labeling.models import Batch, DatasetVersion, Job, ModelVersion, PredictionRun, Project, Role, User
from labeling.outgoing.datasets.freeze import freeze, store_frozen

CONTROL = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "n": 40}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def member(project: Project, role: str, name: str = "") -> Client:
    """Return a client of a member with this role."""
    return signed_in(make_member(project, name or f"{project.slug}-{role}", role))


def manager(project: Project) -> Client:
    return member(project, Role.MANAGER, "mona")


def make_version(batch: Batch, number: int, parent: ModelVersion | None = None, **fields: Any) -> ModelVersion:
    values = {"labels": 80 * number, "seed": number, "seconds": 2.5, "digest": f"{number:064}", "metrics": {}}
    return ModelVersion.objects.create(
        project=batch.project, batch=batch, number=number, parent=parent, **{**values, **fields}
    )


def make_history(project: Project, rounds: int, size: int = 3) -> list[Batch]:
    """Create so many finished batches, each with its version, and an open one."""
    batches: list[Batch] = []
    parent = None
    for number in range(1, rounds + 2):
        batch = make_open_batch(project, make_items(project, size, first=size * (number - 1)), number=number)
        Batch.objects.filter(pk=batch.pk).update(
            strategy="cluster-margin" if parent else "seed", selected_by=parent, seed=number, control_share=0.1
        )
        if number <= rounds:
            project.items.filter(task__batch=batch).update(label=1, agreement=1)
            Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE, remaining=0, labeled=size)
            parent = make_version(batch, number, parent, metrics={"control": CONTROL})
        batches.append(batch)
    return batches


def make_prediction(version: ModelVersion, **fields: Any) -> PredictionRun:
    """Create a prediction run that waits, with its job."""
    run = PredictionRun.objects.create(project=version.project, version=version, path="/nowhere", **fields)
    Job.objects.enqueue(Job.Kind.PREDICT, project=version.project, cause=run)
    return run


def make_dataset(project: Project, name: str = "", **filters: str) -> DatasetVersion:
    """Create a dataset version of the labels, as the worker does."""
    number = project.datasets.count() + 1
    dataset = DatasetVersion(project=project, number=number, name=name or f"v{number}", filters=filters)
    store_frozen(dataset, freeze(dataset, draft="test"))
    return dataset


def text_of(response: HttpResponse) -> str:
    """Return the words on a page, as one line."""
    page = re.sub(r"</?bdi>", "", response.content.decode())  # within a sentence: no space is seen there
    words = re.sub(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(words)).strip()


def errors_of(response: HttpResponse) -> dict[str, str]:
    """Return the error text of each invalid control."""
    found = re.findall(
        r'<ul class="errorlist" id="id_([\w-]+)_error"><li>(.*?)</li>', response.content.decode(), flags=re.DOTALL
    )
    return {name: html.unescape(text) for name, text in found}
