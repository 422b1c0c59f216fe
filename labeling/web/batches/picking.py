"""The model version that picks batches, in words. Pure functions."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from labeling.insight.control_slice import Compared
from labeling.models import Batch, ModelVersion
from labeling.projects.version_in_use import InUse, unpredicted
from labeling.web.models import version_words
from labeling.web.shared.words import number


@dataclass(frozen=True, slots=True)
class Picking:
    """The model version in use, for pages. `held_back`: the newest version, if the gate alone keeps it from picking."""

    version: int
    by_gate: int
    held_back: int | None
    finding: str
    chosen_by: str
    chosen_at: datetime.datetime | None
    unpredicted: str
    """That batches leave items out for which the version in use has no predictions; empty if it predicts all."""

    @property
    def by_hand(self) -> bool:
        return self.chosen_at is not None


def picking_of(in_use: InUse | None) -> Picking | None:
    """Describe the version in use; None without a version."""
    if in_use is None:
        return None
    return Picking(
        version=in_use.version.number,
        by_gate=in_use.by_gate.number,
        held_back=in_use.newest.number if in_use.held_back else None,
        finding=gate_finding(in_use.newest) if in_use.held_back else "",
        chosen_by=in_use.choice.user.username if in_use.choice else "",
        chosen_at=in_use.choice.created_at if in_use.choice else None,
        unpredicted=_unpredicted(in_use.version),
    )


def _unpredicted(version: ModelVersion) -> str:
    left_out = unpredicted(version.project, version)
    if not left_out:
        return ""
    text = ngettext(
        "Version %(number)s has no prediction for %(n)s item: no batch takes it until newer predictions come, or all "
        "others are labeled.",
        "Version %(number)s has no predictions for %(n)s items: no batch takes them until newer predictions come, or "
        "all others are labeled.",
        left_out,
    )
    return text % {"number": version.number, "n": number(left_out)}


def gate_finding(version: ModelVersion) -> str:
    """Return the gate's result for a version, as a sentence; empty if the gate did not compare the version."""
    gate = version.gate
    if not gate:
        return ""
    if gate.get("reason"):
        return gettext("It was not compared: the files of version %(against)s could not be read.") % {
            "against": gate["against"]
        }
    compared = Compared(gate["n"], gate["gained"], gate["lost"])
    return version_words.comparison(compared, version.number, gate["against"]) or gettext(
        "No control item was labeled yet."
    )


def passed_over(batch: Batch) -> str:
    """Say why a version other than the newest picked the batch; empty if the newest did.

    Takes at most one query. The batch must be selected with `choice__user`.
    """
    picked_by, newest = batch.selected_by, batch.newest_version
    if picked_by is None or newest is None or picked_by.number == newest:
        return ""
    if batch.choice is not None:
        return gettext("Version %(number)s picked it, for %(username)s had chosen that version.") % {
            "number": picked_by.number,
            "username": batch.choice.user.username,
        }
    if batch.project.versions.filter(number=newest, held_back=False).exists():
        return gettext("Version %(number)s picked it: files of version %(newest)s, the newest then, were damaged.") % {
            "number": picked_by.number,
            "newest": newest,
        }
    return gettext("Version %(number)s picked it: version %(newest)s, the newest then, is held back.") % {
        "number": picked_by.number,
        "newest": newest,
    }
