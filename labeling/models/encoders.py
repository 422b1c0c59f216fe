"""The measurement of encoders on a project's own labels, and the change to another encoder."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F


class EmbeddingServer(models.Model):
    """A server that the project's texts may be sent to: the encoder `endpoint` takes addresses of these rows alone."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="embedding_servers")
    address = models.CharField(max_length=200)
    key = models.TextField(blank=True, editable=False, help_text="Encrypted.")
    price = models.FloatField(null=True, blank=True, help_text="Of a million tokens.")
    tokens = models.PositiveBigIntegerField(default=0, help_text="As the server has counted them so far.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["project", "address"], name="one_embedding_server_an_address")]

    def __str__(self) -> str:
        return f"{self.project}: {self.address}"

    @property
    def cost(self) -> float | None:
        """The price of the tokens so far; None without a price."""
        return None if self.price is None else self.price * self.tokens / 1e6


class EncoderComparison(models.Model):
    """How right the project's model is with each encoder. One row a project: a new measurement replaces it."""

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="encoder_comparison")
    job = models.ForeignKey("labeling.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    choices = models.JSONField(help_text="The encoders with their options, the project's own first.")
    labels = models.PositiveIntegerField(default=0, help_text="Labels that the models learned or were tested with.")
    drawn = models.BooleanField(default=False, help_text="Whether the tested labels are a random sample of the pool.")
    labels_hash = models.CharField(max_length=64, blank=True, help_text="Over the labels, as they were read.")
    results = models.JSONField(default=list, help_text="Of the choices measured so far, in their order.")
    asked_at = models.DateTimeField()
    measured_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"encoders of {self.project}"


class EncoderChangeQuerySet(models.QuerySet["EncoderChange"]):
    def ready(self) -> EncoderChangeQuerySet:
        """Return changes whose features cover all rows of their project."""
        return self.filter(generation__gt=0, rows=F("project__encoded_rows"))


class EncoderChange(models.Model):
    """Another encoder for a project whose items are encoded. A worker encodes all rows with it into new files. The next
    training that begins after that makes it the project's encoder, and removes this row.
    """

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="encoder_change")
    choice = models.JSONField(help_text="The encoder with its options.")
    generation = models.PositiveIntegerField(default=0, help_text="Of its files; 0 until it is fitted.")
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows encoded with it.")
    problem = models.CharField(max_length=500, blank=True, help_text="Why the items cannot be encoded with it.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()

    objects = EncoderChangeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.project}: {self.choice['name']}"
