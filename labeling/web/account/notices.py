"""The bell of every page, and the page of a person's notices."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from itertools import groupby
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.models import Notice, NoticeKind, User
from labeling.web.shared.words import moment

A_PAGE = 50
MOST = 100
"""The bell counts up to as many unread notices."""


class Bell:
    """The unread notices of the person who opens a page. Only a page that shows the number asks for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def unread(self) -> int:
        """The number of unread notices, at most `MOST`. Takes one query.

        Notices whose subject is the page itself are marked as read, which takes a second query, and do not count.
        """
        user = getattr(self._request, "user", None)  # a request that is refused early has none
        if not isinstance(user, User):
            return 0
        notices = Notice.objects.shown_to(user).unread()
        rows = list(notices.values_list("pk", "kind", "project__slug", "number")[:MOST])
        seen = [pk for pk, kind, slug, number in rows if address_of(kind, slug, number) == self._request.path]
        if seen:
            with suppress(OperationalError):  # a disk that is full hides no page
                Notice.objects.filter(pk__in=seen).mark_read()
        return len(rows) - len(seen)

    @property
    def text(self) -> str:
        """The number as the page shows it; "" for none."""
        if not self.unread:
            return ""
        return str(self.unread) if self.unread < MOST else f"{MOST - 1}+"


def bell(request: HttpRequest) -> dict[str, Any]:
    """Return what all templates get."""
    return {"bell": Bell(request)}


def address_of(kind: str, slug: str, number: int | None) -> str:
    """Return the address of a notice's subject."""
    return NoticeKind(kind).address.format(project=slug, number=number)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    """List the user's notices by day, the newest first. POST marks all as read."""
    own = Notice.objects.shown_to(request.user)
    if request.method == "POST":
        own.mark_read()
        return redirect("notices")
    page = Paginator(own.select_related("project"), A_PAGE).get_page(request.GET.get("page"))
    days = groupby(page, key=lambda each: each.created_at.date())
    context = {"page": page, "days": [(day, [_shown(each) for each in some]) for day, some in days]}
    return render(request, "account/notices.html", context)


def _shown(notice: Notice) -> dict[str, Any]:
    return {
        "row": notice,
        "text": NoticeKind(notice.kind).text.format(number=notice.number),
        "url": address_of(notice.kind, notice.project.slug, notice.number),
        "at": moment(notice.created_at, timezone.now()),
    }
