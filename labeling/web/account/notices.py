"""The bell of every page, and the page of a person's notices."""

from contextlib import suppress
from functools import cached_property
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from labeling.models import Mail, Mailbox, Membership, Notice, NoticeKind, User
from labeling.models.notices import address_of, choice_of, grouped
from labeling.models.roles import ROLES
from labeling.outside.mailing import addresses
from labeling.web.shared.forms import ErrorsInForm
from labeling.web.shared.pages import for_people

A_PAGE = 50
MOST = 100
"""The bell looks at as many unread notices."""


class Bell:
    """The unread notices of the person who opens a page. Only a page that shows the number asks for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def unread(self) -> int:
        """The number of lines with unread notices on the page, of at most `MOST` notices. Takes one query.

        Notices whose subject is the page itself are marked as read, which takes a second query, and do not count.
        """
        user = getattr(self._request, "user", None)  # a request that is refused early has none
        if not isinstance(user, User):
            return 0
        notices = Notice.objects.shown_to(user).unread()
        rows = list(notices.values_list("pk", "kind", "project__slug", "number", "created_at__date")[:MOST])
        seen = {pk for pk, kind, slug, number, _day in rows if address_of(kind, slug, number) == self._request.path}
        if seen:
            with suppress(OperationalError):  # a disk that is full hides no page
                Notice.objects.filter(pk__in=seen).mark_read()
        return len({(kind, slug, day) for pk, kind, slug, _number, day in rows if pk not in seen})

    @property
    def text(self) -> str:
        """The number as the page shows it; "" for none."""
        return str(self.unread) if self.unread else ""


def bell(request: HttpRequest) -> dict[str, Any]:
    """Return what all templates get."""
    return {"bell": Bell(request)}


@never_cache
@for_people("GET", "HEAD", "POST")
def notices(request: HttpRequest, user: User) -> HttpResponse:
    """List the user's notices by day, the newest first, those of a kind in one line. POST marks all as read."""
    own = Notice.objects.shown_to(user)
    if request.method == "POST":
        own.mark_read()
        return redirect("notices")
    page = Paginator(own.select_related("project"), A_PAGE).get_page(request.GET.get("page"))
    days = groupby(page, key=lambda each: each.created_at.date())
    context = {"page": page, "days": [(day, [_shown(each) for each in grouped(some)]) for day, some in days]}
    return render(request, "account/notices.html", context)


def _shown(notices: list[Notice]) -> dict[str, Any]:
    newest, *earlier = notices
    return {"newest": newest, "earlier": earlier, "unread": any(each.read_at is None for each in notices)}


class AddressForm(forms.Form):
    """The address for notices. A link that is mailed to it can set a new password, so it takes the present one."""

    address = forms.EmailField(label=_("Your e-mail address"), max_length=254)
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("If you forget it, a link to set a new one can be sent to the e-mail address."),
    )

    def __init__(self, request: HttpRequest, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.request, self.user = request, user
        if not self.user.has_usable_password():
            del self.fields["password"]

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        # With `authenticate`, so that the limit on failed sign-ins also holds here.
        if authenticate(self.request, username=self.user.get_username(), password=password) != self.user:
            raise ValidationError(gettext("This password is wrong."))
        return password


@never_cache
@for_people("GET", "HEAD", "POST")
def choices(request: HttpRequest, user: User) -> HttpResponse:
    """Show the choices by kind, and the address. POST stores choices, has an address confirmed, or removes it."""
    kinds = _kinds_of(user)
    form = AddressForm(request, user)
    if request.method == "POST" and settings.MAIL and "address" in request.POST:
        form = AddressForm(request, user, request.POST)
        if form.is_valid():
            with ErrorsInForm(form, ValidationError, field="address"):
                addresses.ask(user=user, address=form.cleaned_data["address"])
                text = gettext("A link is on its way. Open it to confirm your e-mail address.")
                messages.success(request, text)
                return redirect("notice-choices")
    elif request.method == "POST" and "stop" in request.POST:
        if mailbox := Mailbox.objects.filter(user=user).first():
            addresses.stop(mailbox)
        messages.success(request, gettext("You get no more e-mail."))
        return redirect("notice-choices")
    elif request.method == "POST":
        user.notice_choices |= {kind: _posted(request, kind) for kind in kinds}
        user.save(update_fields=["notice_choices"])
        messages.success(request, gettext("Your choices are saved."))
        return redirect("notice-choices")
    context = {
        "kinds": [{"kind": kind, "text": gettext(kind.topic), "choice": choice_of(user, kind)} for kind in kinds],
        "mails": list(Mail),
        "form": form,
        "mailbox": Mailbox.objects.filter(user=user).first(),
        "can_mail": settings.MAIL,
    }
    return render(request, "account/notice_choices.html", context, status=400 if form.errors else 200)


def _kinds_of(user: User) -> list[NoticeKind]:
    """Return the kinds that the user's roles get; without a membership, those of every person."""
    roles = set(Membership.objects.filter(user=user).values_list("role", flat=True))
    abilities = {ability for role in roles for ability in ROLES[role].abilities}
    return [kind for kind in NoticeKind if kind.ability is None or kind.ability in abilities]


def _posted(request: HttpRequest, kind: NoticeKind) -> list[bool | str]:
    mail = request.POST.get(f"mail-{kind}")
    return [f"page-{kind}" in request.POST, mail if mail in list(Mail) else Mail.DAILY]


@never_cache
@for_people("GET", "HEAD", "POST")
def address(request: HttpRequest, user: User, token: str) -> HttpResponse:
    """Confirm an address, by its owner's click. GET changes nothing, because mail programs open links by themselves."""
    mailbox = addresses.find(token, addresses.CONFIRM)
    if mailbox is None or mailbox.user_id != user.pk:
        raise Http404("This link has expired, or it is for another account.")
    if request.method == "POST":
        addresses.confirm(mailbox)
        messages.success(request, gettext("The e-mail address is confirmed."))
        return redirect("notice-choices")
    return render(
        request,
        "account/notice_link.html",
        {"mailbox": mailbox, "button": gettext("Confirm it"), "title": gettext("Confirm your e-mail address")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@csrf_exempt  # mail programs send the POST by themselves (RFC 8058); the token proves that the mail was theirs
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Mail nothing more to the address, signed in or out. GET changes nothing."""
    mailbox = addresses.find(token, addresses.STOP)
    if mailbox is None:
        raise Http404("This link has expired: no mail goes to its address.")
    if request.method == "POST":
        addresses.stop(mailbox)
        return render(request, "account/notice_link.html", {"title": gettext("Stopped")})
    context = {"mailbox": mailbox, "button": gettext("Stop them"), "title": gettext("Stop mails")}
    return render(request, "account/notice_link.html", context)
