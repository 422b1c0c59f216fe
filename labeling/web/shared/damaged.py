"""Damaged files of a project, a line each. Annotators see nothing of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from labeling.models import DamagedFile, Project
from labeling.web.shared.words import Moment, moment

# So long is told that a file was rebuilt.
TOLD = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A file, what was wrong with it, and what is done or to be done about it; `mended`: when it was whole again."""

    name: str
    problem: str
    remedy: str
    mended: Moment | None


def damaged_lines(project: Project, now: datetime.datetime) -> list[DamagedLine]:
    """Damaged files, and files that were rebuilt within a day. One query."""
    files = DamagedFile.objects.filter(project=project)
    told = files.standing() | files.filter(mended_at__gte=now - TOLD)
    return [
        DamagedLine(file.name, file.problem, file.remedy, moment(file.mended_at, now) if file.mended_at else None)
        for file in told.order_by("mended_at", "name")
    ]
