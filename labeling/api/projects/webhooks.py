"""Endpoints for the webhooks of a project and their deliveries."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.response import Response

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.models import Ability, Delivery, EventType, Webhook
from labeling.models.webhooks import MAX_URL
from labeling.outside.outbound import validate_address
from labeling.outside.webhooks import changing

EVENTS = [(each.value, each.meaning) for each in EventType]


class WebhookSerializer(fields.Shape):
    """An address that gets messages about events of the project. While it is paused, messages wait."""

    id = fields.Integer(read_only=True)
    url = fields.Text("Begins with https://.", max_length=MAX_URL, validators=[validate_address])
    events = fields.ShortList(
        child=fields.Choice(choices=EVENTS), min_length=1, max_length=len(EVENTS), help_text="The types of events."
    )
    paused = fields.Boolean(read_only=True)
    pause_reason = fields.Text(read_only=True)
    created_at = fields.Time(read_only=True)

    def validate_events(self, events: list[str]) -> list[str]:
        return [each for each in EventType if each in events]


class WebhookChange(WebhookSerializer):
    """New values of a webhook. Fields that are left out stay."""

    url = fields.Text(required=False, max_length=MAX_URL, validators=[validate_address])
    events = fields.ShortList(required=False, child=fields.Choice(choices=EVENTS), min_length=1, max_length=len(EVENTS))
    paused = fields.Boolean("`true` pauses the webhook, `false` sends what waits.", required=False)


class NewSecret(WebhookSerializer):
    """A webhook with its new secret. No later response has the secret."""

    secret = fields.Computed("What receivers verify signatures with: `whsec_…`.")

    def get_secret(self, webhook: Any) -> str:
        return str(self.context["secret"])


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """The message of one event, and the result of its last try."""

    event = fields.Text(source="event.type")
    message_id = fields.Text("The header `webhook-id`, in each try.", source="event.message_id")
    payload = fields.Object("The body of the message.", source="event.payload")

    Meta = fields.shows(Delivery, "id event message_id payload state attempts tried_at next_at status error response")


def _with_secret(webhook: Webhook, secret: str, code: int) -> Response:
    data = NewSecret(webhook, context={"secret": secret}).data
    return Response(data, status=code, headers={"Cache-Control": "no-store"})


class WebhookList(ProjectView):
    """List the webhooks of the project."""

    @answers(WebhookSerializer, needs=Ability.WEBHOOKS_CHANGE, many=True)
    def get(self) -> QuerySet[Webhook]:
        return self.project.webhooks.all()

    @answers(NewSecret, 201, needs=Ability.WEBHOOKS_CHANGE, takes=WebhookSerializer)
    def post(self) -> Response:
        """Add a webhook. Only this response has its secret. Respond with 409 if the project has 20 webhooks."""
        return _with_secret(*changing.add(project=self.project, **self.body), status.HTTP_201_CREATED)


class _OneWebhook(ProjectView):
    def find(self, webhook_id: int) -> Webhook:
        return self.one_of(self.project.webhooks.all(), "webhook", pk=webhook_id)


class WebhookDetail(_OneWebhook):
    @answers(WebhookSerializer, needs=Ability.WEBHOOKS_CHANGE)
    def get(self, webhook_id: int) -> Webhook:
        """Return one webhook."""
        return self.find(webhook_id)

    @answers(WebhookSerializer, needs=Ability.WEBHOOKS_CHANGE, takes=WebhookChange)
    def patch(self, webhook_id: int) -> Webhook:
        """Change the URL or the events, or pause or resume the webhook. Waiting messages go to the new
        address.
        """
        webhook = self.find(webhook_id)
        changing.change(webhook=webhook, **self.body)
        return self.find(webhook_id)

    @answers(needs=Ability.WEBHOOKS_CHANGE)
    def delete(self, webhook_id: int) -> None:
        """Remove the webhook with its deliveries."""
        changing.remove_webhook(webhook=self.find(webhook_id))


class WebhookSecret(_OneWebhook):
    """Give the webhook a new secret. Only this response has it. For 24 hours, earlier secrets sign beside it."""

    @answers(NewSecret, needs=Ability.WEBHOOKS_CHANGE)
    def post(self, webhook_id: int) -> Response:
        webhook = self.find(webhook_id)
        return _with_secret(webhook, changing.rotate(webhook=webhook), status.HTTP_200_OK)


class WebhookTest(_OneWebhook):
    """Send a `webhook.test` event, once, after the messages that wait; these are tried at once."""

    @answers(DeliverySerializer, 202, needs=Ability.WEBHOOKS_CHANGE)
    def post(self, webhook_id: int) -> Delivery:
        return changing.send_test(webhook=self.find(webhook_id))


class DeliveryList(_OneWebhook):
    """List the deliveries of a webhook of the last 30 days, the newest first."""

    @answers(DeliverySerializer, needs=Ability.WEBHOOKS_CHANGE, pages=True)
    def get(self, webhook_id: int) -> QuerySet[Delivery]:
        return self.find(webhook_id).deliveries.select_related("event")


class DeliverySentAgain(_OneWebhook):
    """Send a dead letter, or a delivered message, once more. Respond with 409 if the message waits."""

    @answers(DeliverySerializer, 202, needs=Ability.WEBHOOKS_CHANGE)
    def post(self, webhook_id: int, delivery_id: int) -> Delivery:
        deliveries = self.find(webhook_id).deliveries.select_related("event")
        missing = f"There is no delivery {delivery_id} of this webhook."
        changing.send_again(delivery=find_or_404(deliveries, missing, pk=delivery_id))
        return deliveries.get(pk=delivery_id)
