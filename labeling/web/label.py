"""The annotator's screen. The page is a frame; its script fetches tasks and submits answers through the API."""

import datetime
import hashlib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import get_language_bidi, gettext
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import conditional_page

from labeling import kinds
from labeling.insight.pace import items_ready, own_seconds
from labeling.labels import comments
from labeling.labels.items.records import content_of
from labeling.models import Ability, Annotation, Item, LabelClass, Membership, Project
from labeling.projects.classes import examples, guidelines
from labeling.queue.prompting import suggests
from labeling.web.shared.forms import number_in
from labeling.web.shared.pages import for_members

# A placeholder for an annotation's id, which the page's script replaces.
NO_ID = "00000000-0000-0000-0000-000000000000"


@ensure_csrf_cookie
@for_members(reading=Ability.TASKS_ANSWER)
def label_page(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Render the frame of the annotator's screen, with the configuration of its script."""
    project = membership.project
    n_classes = project.classes.offered().count()
    picker = project.asks.picker(n_classes)
    context = {
        "project": project,
        "kind": kinds.of(project),
        "prompt": project.prompt or gettext(project.asks.prompt),
        "forward": "←" if get_language_bidi() else "→",
        "back": "→" if get_language_bidi() else "←",
        "picker": picker,
        "picker_template": f"label/pickers/{picker}.html",
        "keys_template": f"label/pickers/{picker}_keys.html",
        "letters_search": project.asks.searches(n_classes),
        "copies_room": next((room for room in (4, 8) if project.near_copies <= room), 12),
        "suggests": _suggests(project, n_classes),
        "proposes_classes": project.class_proposals and not project.asks.fixed_classes,
        "unread": comments.unread(project, membership.user),
        "skip_reasons": project.asks.skip_reasons,
        "config": _config(request, membership),
    }
    return render(request, "label/page.html", context)


def _suggests(project: Project, n_classes: int) -> bool:
    """Return whether the screen suggests a few of many classes, each with its own key."""
    if not project.asks.searches(n_classes):
        return False
    return project.show_predictions or suggests(project)


def _config(request: HttpRequest, membership: Membership) -> dict[str, Any]:
    project = membership.project
    slug, lease = project.slug, project.lease.total_seconds()
    return {
        "project": slug,
        "user": membership.user.pk,
        # The CSRF token changes at each sign-in and sign-out: by it, a cached page recognises its owner.
        "signedIn": hashlib.sha256(_csrf_cookie(request).encode()).hexdigest(),
        "kind": project.kind,
        "several": project.asks.several,
        "grids": project.grids,
        "copies": project.near_copies,
        "classRevision": project.class_revision,
        "guidelinesVersion": project.guidelines_version,
        "leaseSeconds": lease,
        "keptReady": items_ready(project.kept_ready, lease=lease, seconds=own_seconds(project, membership.user)),
        "urls": {
            "claim": reverse("api:claim", args=[slug]),
            "annotations": reverse("api:annotations", args=[slug]),
            "annotation": reverse("api:annotation", args=[slug, NO_ID]),
            "skip": reverse("api:skip", args=[slug]),
            "release": reverse("api:release", args=[slug]),
            "progress": reverse("api:progress", args=[slug]),
            "classes": reverse("label-classes", args=[slug]),
            "guidelines": reverse("label-guidelines", args=[slug]),
            "today": reverse("label-today", args=[slug]),
            "worker": reverse("label-worker", args=[slug]),
            "signIn": f"{reverse('login')}?{urlencode({'next': reverse('label', args=[slug])})}",
        },
    }


def _csrf_cookie(request: HttpRequest) -> str:
    """Return the cookie that the browser has after this response."""
    if request.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        return str(request.META["CSRF_COOKIE"])
    return request.COOKIES.get(settings.CSRF_COOKIE_NAME, "")


@for_members(reading=Ability.TASKS_ANSWER)
def label_worker(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Return the screen's service worker. Its address is below the page's, so it serves that page only."""
    return render(request, "label/worker.js", content_type="text/javascript")


@conditional_page
@for_members(reading=Ability.TASKS_ANSWER)
def label_classes(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the class names in their order, and the details that some classes have.

    The list may have 20,000 names, so that a browser with the current list gets a 304. `since`: the revision on the
    annotator's screen; the reply then has the present names of classes that had others.
    """
    project = membership.project
    since = request.GET.get("since", "")
    shown = examples.examples_of(project)
    offered = list(project.classes.offered())
    details = {each.name: _details(project, each, shown.get(each.index, [])) for each in offered}
    # Few of 20,000 classes have more than a name.
    response = JsonResponse(
        {
            "classes": list(details),
            "above": project.classes.places_above(offered),
            "revision": project.class_revision,
            "picker": project.asks.picker(len(offered)),
            "renamed": _renamed(project, offered, number_in(since)) if since else {},
            "details": {name: more for name, more in details.items() if more},
        }
    )
    response["Cache-Control"] = "private, no-cache"
    return response


def _renamed(project: Project, offered: Sequence[LabelClass], since: int) -> dict[str, str]:
    """Return the present names, by the names at the revision `since`, of classes that were renamed or merged."""
    names = {each.index: each.name for each in offered}
    merges = project.merges
    merged = {each.name: each.index for each in project.classes.filter(index__in=merges)}
    before = {**merged, **project.as_called({}, since)}
    return {name: names[now] for name, index in before.items() if (now := merges.get(index, index)) in names}


def _details(project: Project, each: LabelClass, items: Sequence[Item]) -> dict[str, Any]:
    details = {
        "key": each.key,
        "colour": each.colour,
        "description": each.description,
        "aliases": each.aliases,
        "examples": [content_of(project, item) for item in items],
    }
    return {name: value for name, value in details.items() if value}


@for_members(reading=Ability.TASKS_ANSWER)
def label_guidelines(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the current guidelines, and their changes since version `since`, which the annotator's page shows."""
    project = membership.project
    since = number_in(request.GET.get("since", ""), default=project.guidelines_version)
    before = guidelines.text_of(project, since)
    passages = guidelines.compare(before, project.guidelines)
    return JsonResponse(
        {
            "version": project.guidelines_version,
            "html": render_to_string("guidelines/text.html", {"project": project}),
            "changes": render_to_string("guidelines/changes.html", {"passages": passages}),
            "summary": guidelines.summary(before, project.guidelines),
        }
    )


@for_members(reading=Ability.TASKS_ANSWER)
def label_today(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Count the user's answers in the project since the time `since`, the midnight of the browser's time zone.

    Imported labels do not count.
    """
    try:
        since = parse_datetime(request.GET.get("since", ""))
        since = since.astimezone(datetime.UTC) if since and since.tzinfo else None
    except (ValueError, OverflowError):  # no time, or one outside the calendar in UTC
        since = None
    if since is None:
        return JsonResponse({"code": "invalid", "detail": "since must be a time with its zone."}, status=400)
    answers = Annotation.objects.by_people().filter(
        user=membership.user, task__batch__project=membership.project, created_at__gte=since
    )
    return JsonResponse({"answers": answers.count()})
