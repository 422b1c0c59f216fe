"""The pages of a project's webhooks."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache

from labeling.models import Ability, Delivery, EventType, Membership, Webhook
from labeling.models.webhooks import MAX_URL
from labeling.outside.webhooks import changing
from labeling.web.shared.forms import AddressField, ErrorsInForm, translated
from labeling.web.shared.pages import action, for_members, render_page

SECTION = "project-webhooks"
A_PAGE = 50
LAST = {"sent": "state", "tried_at": "tried_at", "status": "status"}
"""What the list shows of the last delivery, by the field."""
BADGES = {Delivery.State.WAITING: "waiting", Delivery.State.DELIVERED: "done", Delivery.State.DEAD: "failed"}


class WebhookForm(forms.Form):
    """The address of a webhook and the events that it asks for."""

    url = AddressField(
        max_length=MAX_URL,
        help_text=gettext_lazy("The HTTPS URL that receives the events, for example https://example.org/hooks."),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=lambda: [(each.value, f"{each.value}: {gettext(each.meaning)}") for each in EventType],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one event.")},
    )


@never_cache
@for_members(reading=Ability.WEBHOOKS_CHANGE, changing=Ability.WEBHOOKS_CHANGE)
def webhooks(request: HttpRequest, membership: Membership) -> HttpResponse:
    """List the webhooks, or add one. Only the response that adds it shows its secret."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with ErrorsInForm(form, changing.WebhookRefused):
            webhook, secret = changing.add(project=membership.project, **form.cleaned_data)
            return _page(request, membership, webhook, secret=secret)
    waiting = Count("deliveries", filter=Q(deliveries__state=Delivery.State.WAITING))
    dead = Count("deliveries", filter=Q(deliveries__state=Delivery.State.DEAD))
    tried = Delivery.objects.filter(webhook=OuterRef("pk"), tried_at__isnull=False).order_by("-tried_at")
    last = {name: Subquery(tried.values(field)[:1]) for name, field in LAST.items()}
    rows: list[Any] = list(membership.project.webhooks.annotate(waiting=waiting, dead=dead, **last).order_by("pk"))
    for each in rows:
        each.badge = BADGES.get(each.sent, "")
    context = {"webhooks": rows, "form": form, "example": _example(membership.project.slug)}
    return render_page(request, membership, "project/webhooks.html", context, section=SECTION)


@never_cache
@for_members(reading=Ability.WEBHOOKS_CHANGE, changing=Ability.WEBHOOKS_CHANGE)
def webhook(request: HttpRequest, membership: Membership, webhook_id: int) -> HttpResponse:
    """Show a webhook with its deliveries, or change its address and its events."""
    found = _found(membership, webhook_id)
    if request.method != "POST":
        return _page(request, membership, found)
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _page(request, membership, found, form=form)
    changing.change(webhook=found, **form.cleaned_data)
    messages.success(request, gettext("The webhook is changed."))
    return redirect("project-webhook", membership.project.slug, webhook_id)


def _example(slug: str) -> str:
    """Return a message as a webhook sends it."""
    address = EventType.BATCH_DONE.address.format(project=slug, number=3)
    data = {"project": slug, "number": 3, "url": address}
    return json.dumps({"type": EventType.BATCH_DONE.value, "data": data}, indent=2)


def _found(membership: Membership, webhook_id: int) -> Webhook:
    return get_object_or_404(membership.project.webhooks, pk=webhook_id)


def _page(
    request: HttpRequest, membership: Membership, found: Webhook, *, secret: str = "", form: WebhookForm | None = None
) -> HttpResponse:
    deliveries = found.deliveries.select_related("event")
    page = Paginator(deliveries, A_PAGE).get_page(request.GET.get("page"))
    first = deliveries.waiting().order_by("pk").first()
    context: dict[str, Any] = {
        "webhook": found,
        "secret": secret,
        "pause_reason": translated(found.pause_reason),
        "page": page,
        "deliveries": [
            {
                "row": each,
                "badge": BADGES[Delivery.State(each.state)],
                "is_next": each == first and each.tries_left and each.attempts,
            }
            for each in page
        ],
        "form": form or WebhookForm(initial={"url": found.url, "events": found.events}),
    }
    return render_page(request, membership, "project/webhook.html", context, section=SECTION)


@never_cache
@for_members(changing=Ability.WEBHOOKS_CHANGE)
def new_secret(request: HttpRequest, membership: Membership, webhook_id: int) -> HttpResponse:
    """Give the webhook a new secret. Only this response shows it."""
    secret = changing.rotate(webhook=_found(membership, webhook_id))
    return _page(request, membership, _found(membership, webhook_id), secret=secret)


@action(Ability.WEBHOOKS_CHANGE, "project-webhook", "webhook_id", refused=(changing.WebhookRefused,))
def send_test(request: HttpRequest, membership: Membership, webhook_id: int) -> str:
    """Send a test event."""
    changing.send_test(webhook=_found(membership, webhook_id))
    return gettext("A worker is sending the test event. Reload this page to see the result.")


@action(Ability.WEBHOOKS_CHANGE, "project-webhook", "webhook_id")
def pause(request: HttpRequest, membership: Membership, webhook_id: int) -> str:
    """Pause or resume the webhook."""
    paused = request.POST.get("paused") == "yes"
    changing.change(webhook=_found(membership, webhook_id), paused=paused)
    return gettext("The webhook is paused. Messages wait.") if paused else gettext("The webhook is resumed.")


@action(Ability.WEBHOOKS_CHANGE, "project-webhooks")
def remove_webhook(request: HttpRequest, membership: Membership, webhook_id: int) -> str:
    """Remove the webhook with its deliveries."""
    changing.remove_webhook(webhook=_found(membership, webhook_id))
    return gettext("The webhook is removed.")


@action(Ability.WEBHOOKS_CHANGE, "project-webhook", "webhook_id", refused=(changing.WebhookRefused,))
def send_again(request: HttpRequest, membership: Membership, webhook_id: int, delivery_id: int) -> str:
    """Send a message once more."""
    delivery = get_object_or_404(_found(membership, webhook_id).deliveries, pk=delivery_id)
    changing.send_again(delivery=delivery)
    return gettext("A worker is sending the message. Reload this page to see the result.")
