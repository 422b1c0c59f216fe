"""The damaged files of a project, one line each. Annotators do not see them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from labeling.models import DamagedFile, Project
from labeling.web.shared.words import Moment, moment

# How long the page still shows a rebuilt file.
TOLD = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A damaged file, the damage, and the remedy; `mended`: when the file was rebuilt."""

    name: str
    problem: str
    remedy: str
    mended: Moment | None


def damaged_lines(project: Project, now: datetime.datetime) -> list[DamagedLine]:
    """Return the damaged files, and the files that were rebuilt within a day. Takes one query."""
    files = DamagedFile.objects.filter(project=project)
    told = files.standing() | files.filter(mended_at__gte=now - TOLD)
    return [
        DamagedLine(file.name, file.problem, file.remedy, moment(file.mended_at, now) if file.mended_at else None)
        for file in told.order_by("mended_at", "name")
    ]
