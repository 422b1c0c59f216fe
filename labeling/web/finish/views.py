"""The pages that finish a project: the forecast for a goal, its start and stop, audits, and certificates in words."""

import datetime
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db.models import Field
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labeling.finishing import goal as goals
from labeling.finishing import sharing
from labeling.finishing.forecasts import forecast_of
from labeling.finishing.goal import FinishRefused, Goal, PeopleErr
from labeling.finishing.people import PeopleErrors, errors_of
from labeling.finishing.progress import PoolProgress, pool_progress
from labeling.finishing.reaching import is_over
from labeling.finishing.state import audits_of, certificates_of
from labeling.insight.pace import Pace, pace_of
from labeling.insight.status import items_of
from labeling.models import Ability, Annotation, Audit, Certificate, Finish, Membership, Project
from labeling.web.charts.finish import error_curve
from labeling.web.finish import words
from labeling.web.shared.forms import ErrorsInForm, bounds_message, figure_input
from labeling.web.shared.pages import action, for_members, render_page
from labeling.web.shared.words import number as figure
from labeling.web.shared.words import percent, typed

SECTION = "project-finish"
SCOPES = [("", gettext_lazy("the pool as a whole")), ("class", gettext_lazy("each class by itself"))]
SCOPES_OF_SEVERAL = [
    ("", gettext_lazy("all classes of an item together")),
    ("class", gettext_lazy("each class by itself")),
]


def _percent_field(name: str, label: Any, help_text: Any) -> forms.FloatField:
    """Make the field of a share of `Finish`, in per cent. `label` and `help_text` are translated when shown."""
    bounds: list[Any] = cast("Field[Any, Any]", Finish._meta.get_field(name)).validators
    low, high = (100 * bound.limit_value for bound in bounds)
    message = lazy(bounds_message, str)(low, high, is_whole=False, required=True)
    return forms.FloatField(
        label=format_lazy("{} (%)", label),
        help_text=help_text,
        min_value=low,
        max_value=high,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), message),
        widget=figure_input(is_whole=False),
    )


class GoalForm(forms.Form):
    """The error and the confidence in per cent, and what they are stated for."""

    error = _percent_field(
        "error",
        gettext_lazy("Wrong labels, at most"),
        gettext_lazy("The fewer labels may be wrong, the more answers it takes."),
    )
    confidence = _percent_field(
        "confidence",
        gettext_lazy("Confidence"),
        gettext_lazy("The probability that all statements about labels hold."),
    )
    by_class = forms.ChoiceField(
        label=gettext_lazy("Stated for"),
        choices=SCOPES,
        required=False,
        widget=forms.RadioSelect,
        help_text=gettext_lazy(
            "Each class by itself takes more answers. People label all items of a class that is too small for a proof."
        ),
    )
    within = forms.TypedChoiceField(
        label=gettext_lazy("A score counts as right"),
        choices=[
            (0, gettext_lazy("if it is the same point")),
            (1, gettext_lazy("if it is the same or the next point")),
        ],
        coerce=int,
        required=False,
        widget=forms.RadioSelect,
    )

    def __init__(self, project: Project, goal: Goal, data: QueryDict | None = None) -> None:
        """Make the form of `goal`, with the values of `data` in its place where there are any."""
        shown = {
            "error": typed(100 * goal.error),
            "confidence": typed(100 * goal.confidence),
            "by_class": "class" if goal.by_class else "",
            "within": goal.within,
        }
        super().__init__(shown | (data.dict() if data else {}))
        if project.asks.per_class:
            scope = cast("forms.ChoiceField", self.fields["by_class"])
            scope.choices = SCOPES_OF_SEVERAL
            scope.help_text = gettext(
                "Together, an item counts as wrong if any of its classes is wrong or missing: with many "
                "classes, this is hard to reach. By itself, each class may be wrong or missing in as "
                "many items."
            )
        if not project.asks.ordered:
            del self.fields["within"]

    @property
    def goal(self) -> Goal:
        """The goal of a valid form."""
        values = self.cleaned_data
        return Goal(
            error=round(values["error"] / 100, 6),
            confidence=round(values["confidence"] / 100, 6),
            by_class=bool(values["by_class"]),
            within=values.get("within") or 0,
        )


@for_members(reading=Ability.BATCHES_READ, changing=Ability.BATCHES_CHANGE)
def finish(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the forecast for a goal, and the state of the goal that was started; POST starts a goal."""
    project = membership.project
    started = Finish.objects.filter(project=project).select_related("started_by").first()
    form = GoalForm(project, Goal.of(started), request.POST or request.GET)
    if request.method == "POST" and form.is_valid():
        with ErrorsInForm(form, FinishRefused):
            goals.start(project, membership.user, form.goal)
            text = gettext("The goal is set: %(goal)s.")
            messages.success(request, text % {"goal": words.goal_words(form.goal, project.asks)})
            return redirect(SECTION, project.slug)
    now = timezone.now()
    pace, errors = pace_of(project, now), errors_of(project)
    progress = pool_progress(project, items_of(project), pace, errors)
    context = {
        "form": form,
        "batch_size": goals.batch_size_with_goal(project),
        **_forecast(membership, form, pace, errors),
        **_state(membership, form, started, progress, now),
    }
    status = 400 if form.errors else 200
    return render_page(request, membership, "project/finish.html", context, section=SECTION, status=status)


@action(Ability.BATCHES_CHANGE, SECTION)
def stop(request: HttpRequest, membership: Membership) -> str:
    """Stop the goal."""
    goals.stop(membership.project)
    return gettext("Stopped: no further audit begins. Certificates and their labels stay valid.")


def _forecast(membership: Membership, form: GoalForm, pace: Pace, errors: PeopleErrors) -> dict[str, Any]:
    """Return the forecast for the form's goal in words, or the reason why there is none."""
    if not form.is_valid():
        return {}
    project = membership.project
    try:
        forecast = forecast_of(project, form.goal, errors)
    except FinishRefused as refused:
        return {"refused": str(refused), "people_err": isinstance(refused, PeopleErr)}
    with_cost = membership.can(Ability.SETTINGS_READ)
    return {
        "goal": words.goal_words(form.goal, project.asks),
        "rare": words.rare_classes(project, form.goal),
        "figures": words.figures(project, forecast, pace, with_cost=with_cost),
        "basis": words.basis(forecast, pace),
        "classes": words.class_rows(project, forecast),
        "classes_left": max(0, len(forecast.classes) - words.CLASSES_SHOWN),
        "curve": error_curve(forecast, form.goal.error),
    }


def _state(
    membership: Membership, form: GoalForm, started: Finish | None, progress: PoolProgress, now: datetime.datetime
) -> dict[str, Any]:
    """Return the started goal, its audits and the certificates, the newest first."""
    project = membership.project
    running, audits = started is not None and started.running, audits_of(project)
    over = running and is_over(project)
    return {
        "running": running,
        "is_over": over,
        "done_at": ((started and started.reached_at) or now) if over and not progress.left else None,
        "labels": progress.labeled + progress.certified,
        "line": words.sentence(progress, with_work=running),
        "same": running and form.is_valid() and form.goal == Goal.of(started),
        "stage": words.stage(audits, progress, is_over=over),
        "one_more": words.one_more(progress.one_more),
        "started": started
        and {
            "goal": words.goal_words(Goal.of(started), project.asks),
            "by": started.started_by,
            "at": started.started_at,
        },
        "audits": audits,
        "certificates": certificates_of(project),
    }


@never_cache
@for_members(reading=Ability.BATCHES_READ, changing=Ability.BATCHES_CHANGE)
def certificate(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Show the certificate with this number; POST makes its public link, which only this response shows."""
    issued = get_object_or_404(certificates_of(membership.project), number=number)
    context = _in_words(issued)
    if request.method == "POST":
        context["link"] = request.build_absolute_uri(reverse("certificate", args=[sharing.share(issued)]))
    return render_page(request, membership, "project/certificate.html", context, section=SECTION)


@action(Ability.BATCHES_CHANGE, "project-certificate", "number")
def unshare(request: HttpRequest, membership: Membership, number: int) -> str:
    """Revoke the certificate's public link."""
    sharing.unshare(get_object_or_404(certificates_of(membership.project), number=number))
    return gettext("The public link no longer works.")


@require_safe
@never_cache
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show the certificate with this public link to anyone. Revoked and unknown links give the same page."""
    issued = sharing.find(token)
    if issued is None:
        raise Http404
    response = render(request, "certificate.html", {"project": issued.project, **_in_words(issued)})
    response["X-Robots-Tag"] = "noindex"
    return response


def _in_words(issued: Certificate) -> dict[str, Any]:
    """Return what the pages of a certificate say. No item and no person is in it, so that it can be passed on."""
    return {
        "certificate": issued,
        "audit": issued.audit,
        "statement": _statement(issued),
        "checked": _checked(issued),
        "why_more": _why_more(issued),
        "of_class": _class_of(issued.audit),
    }


def _statement(certificate: Certificate) -> str:
    """Say what was proven in one sentence."""
    text = gettext("Of %(labels)s labels that a model gave, at most %(most)s are wrong (%(share)s).")
    if certificate.audit.each_class:
        text = gettext(
            "Of %(labels)s labels that a model gave, at most %(most)s are wrong about any one class (%(share)s)."
        )
    return text % {
        "labels": figure(certificate.labels),
        "most": figure(certificate.most_wrong),
        "share": percent(certificate.error, exact=True),
    }


def _checked(certificate: Certificate) -> str:
    """Say how many people checked how many labels, and what they found."""
    answers = Annotation.objects.deciding(with_skips=True).filter(
        task__audit_draw__audit=certificate.audit, task__audit_draw__is_decoy=False
    )
    people = answers.order_by().values("user").distinct().count()
    text = ngettext(
        "%(people)s person checked %(asked)s labels, drawn at random, and found %(found)s wrong. They did not see the "
        "model’s label, and could not tell these items from others.",
        "%(people)s people checked %(asked)s labels, drawn at random, and found %(found)s wrong. They did not see the "
        "model’s label, and could not tell these items from others.",
        people,
    )
    values = {"people": people, "asked": certificate.asked, "found": certificate.found}
    return text % {name: figure(value) for name, value in values.items()}


def _why_more(certificate: Certificate) -> str:
    """Say why more of its labels may be wrong than the goal allows; "" if they may not."""
    audit = certificate.audit
    if certificate.error <= audit.error:
        return ""
    text = gettext(
        "The goal of %(error)s counts all %(pool)s items. People labeled the others, and %(people)s of their "
        "labels are assumed to be wrong. That leaves room for more wrong ones among the model’s labels."
    )
    people = percent(audit.people_error, exact=True)
    return text % {"error": percent(audit.error), "pool": figure(audit.pool_size), "people": people}


def _class_of(audit: Audit) -> Any:
    """Return the name of the class whose labels it is about; None if it is about all classes."""
    return None if audit.of_class is None else audit.project.answer_names([audit.of_class]).get(audit.of_class, "")
