"""The page of the labeling's progress: over time, by annotator, by class."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext

from labeling.insight.annotators import Annotator, Rate, annotators_of
from labeling.insight.balance import balance_of
from labeling.insight.share_intervals import ENOUGH
from labeling.insight.work import answers_by_time, hours_of
from labeling.models import Ability, Membership
from labeling.storage.db.replica import reads
from labeling.web.charts.balance import class_balance
from labeling.web.charts.pace import pace_chart
from labeling.web.charts.people import accuracy_of_people, pace_of_people
from labeling.web.charts.rounds import round_times, rounds_of
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import accuracy, count, duration, number, percent

# The number of batches in the chart, the newest ones.
ROUNDS = 12


@for_members(reading=Ability.BATCHES_READ)
@reads()
def progress(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show charts with their tables, and the figures of each annotator. Annotators cannot open this page."""
    project, now = membership.project, timezone.now()
    newest = list(project.batches.order_by("-number")[:ROUNDS])
    context: dict[str, Any] = {"begun": bool(newest)}
    if newest:
        first = project.batches.order_by("number").values_list("created_at", flat=True)[0]
        people = annotators_of(project, now)
        context |= {
            "pace": pace_chart(*answers_by_time(project, first, now)),
            "rounds": round_times(rounds_of(reversed(newest), hours_of(membership.project, newest), now)),
            "balance": class_balance(balance_of(project)),
            "seconds": pace_of_people(people),
            "right": accuracy_of_people(people),
            "people": [_annotator_row(each) for each in people],
            "few_control": max((each.control.n for each in people if each.control), default=0),
            "overlapping": any(each.agreement for each in people),
        }
    return render_page(request, membership, "project/progress.html", context, section="project-progress")


def _annotator_row(each: Annotator) -> dict[str, Any]:
    return {
        "row": each,
        "median": duration(each.median) if each.answers else "–",
        "hours": duration(each.hours * 3600),
        "agreement": _share(each.agreement, lambda n: count(n, "answer")),
        "control": _share(each.control, lambda n: count(n, "control item")),
        "interval": _interval(each.control),
        "gold": _share(each.gold, lambda n: count(n, "gold item")),
        "gold_interval": _interval(each.gold),
    }


def _interval(share: Rate | None) -> str:
    if share is None or share.n < ENOUGH:
        return ""
    values = {"low": percent(share.low, exact=True), "high": percent(share.high, exact=True), "n": number(share.n)}
    return gettext("%(low)s to %(high)s of %(n)s") % values


def _share(share: Rate | None, sample: Callable[[int], str]) -> str:
    return accuracy(share.value, share.n, sample(share.n)) if share else "–"
