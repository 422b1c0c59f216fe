"""A server of S3's protocol for tests of sources."""

import uuid
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.utils import timezone
from s3 import KEY

from labeling.intake.readers import Layout
from labeling.intake.run import import_items
from labeling.intake.watching import changing
from labeling.intake.watching.looking import look
from labeling.loop import endings
from labeling.loop.step import Step, StepFailed
from labeling.models import Job, Project, Source
from labeling.outside.outbound import Response
from labeling.outside.sources.s3 import S3
from labeling.storage.shared_files import StoreAway


class Store(NamedTuple):
    """A server of S3's protocol. `system` writes to it, as its owner does."""

    endpoint: str
    log: Path
    system: Any

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, "key": KEY, "secret": KEY}

    def bucket(self) -> str:
        """Make an empty bucket, and return its name."""
        name = f"bucket-{uuid.uuid4().hex[:8]}"
        self.system.mkdir(name)
        return name

    def fill(self, place: str, files: dict[str, bytes]) -> None:
        self.system.pipe({f"{place}/{key}": content for key, content in files.items()})

    def requests(self, containing: str) -> int:
        """Return the number of requests so far whose line in the log contains this text."""
        return sum(containing in line for line in self.log.read_text().splitlines())


def work() -> None:
    """Run all looks and imports that wait, as a worker does."""
    steps = {Job.Kind.SOURCE: look, Job.Kind.IMPORT: import_items}
    while (job := Job.objects.due(timezone.now()).filter(kind__in=steps).first()) is not None:
        Job.objects.take(job, "test", timezone.now())
        try:
            steps[Job.Kind(job.kind)](Step(job))
        except StepFailed as failure:
            endings.fail(job, str(failure))
        except StoreAway as error:
            endings.put_off(job, str(error))


def refuse(monkeypatch: pytest.MonkeyPatch, keys: Container[str]) -> None:
    """Let the store refuse to read objects with these keys, as it does without the right to."""
    check = S3._check

    async def refusing(self: S3, key: str, answer: Response) -> None:
        if self._full(key) in keys:
            raise self._problem(key, "AccessDenied", answer)
        await check(self, key, answer)

    monkeypatch.setattr(S3, "_check", refusing)


def make_source(project: Project, address: str, values: dict[str, str], **fields: Any) -> Source:
    """Add a source whose columns are the product's own."""
    options, secrets = changing.divided(address, values)
    content = Source.Content.MEDIA if project.kind == "image" else Source.Content.FILES
    fields = {"name": "bucket", "content": content, "layout": Layout(), **fields}
    return changing.add(project=project, user=None, address=address, options=options, secrets=secrets, **fields)
