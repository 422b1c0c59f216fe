"""Endpoints for predictions that were made outside, and for the server that makes them."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.bodies import PARSERS, file_bodies, line_bodies, sent
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.intake import prediction_sets
from labeling.intake.prediction_files import SUFFIXES
from labeling.models import Ability, PredictionServer, PredictionSet
from labeling.outside.outbound import validate_address

LISTED = 100
NO_SERVER = "This project has no server for predictions."
BODIES = {  # without a JSON list, which is accepted, for the reason in `labeling.api.shared.bodies`
    **file_bodies(
        "predictions.npz",
        f"Its name ends in one of {', '.join(SUFFIXES)}.",
        strict={"type": "boolean", "default": True},
    ),
    **line_bodies("One JSON object a line for each item."),
}
EXAMPLE = OpenApiExample(
    "Two items",
    '{"external_id": "a1", "probabilities": {"barn owl": 0.9, "no owl": 0.1}}\n'
    '{"external_id": "a2", "probabilities": {"barn owl": 0.4, "no owl": 0.6}}\n',
    request_only=True,
    media_type="application/x-ndjson",
)


class HandInOptions(fields.Shape):
    strict = serializers.BooleanField(
        default=True,
        help_text="Refuse predictions that do not cover all items of the pool. Without it, the items behind the last "
        "predicted one may be left out: they wait for newer predictions, and `left_out` counts them.",
    )


class PredictionSetSerializer(serializers.ModelSerializer[PredictionSet]):
    """Predictions from outside: whether they are read, and the model version that they became."""

    version = fields.Integer(
        "The model version, once it is done.", source="version.number", default=None, allow_null=True
    )
    reason = fields.Text("Why they are refused, why the server is asked again, or which files were lost.")
    url = fields.Computed("Ask here again until `state` is `done` or `failed`.")

    class Meta:
        model = PredictionSet
        fields = read_only_fields = fields.words(
            "id name state reason strict items left_out version url created_at finished_at"
        )

    def get_url(self, handed: PredictionSet) -> str:
        return reverse("api:prediction-set", args=[handed.project.slug, handed.pk])


class PredictionServerSerializer(fields.Shape):
    """A server that speaks Label Studio's protocol for ML backends."""

    url = fields.Text("Begins with https://. `/predict` follows it.", max_length=2000, validators=[validate_address])
    username = fields.Text(
        "For HTTP basic authentication.", max_length=200, required=False, default="", allow_blank=True
    )
    password = fields.Secret("Stored encrypted, and never shown. Left out, it stays while `url` and `username` stay.")


class _Sets(ProjectView):
    """Base of the endpoints."""

    def sets(self) -> QuerySet[PredictionSet]:
        return self.project.prediction_sets.select_related("project", "version")


class PredictionSetList(_Sets):
    """The newest 100 sets of predictions from outside."""

    parser_classes = PARSERS

    @answers(PredictionSetSerializer, needs=Ability.MODELS_READ, many=True)
    def get(self) -> QuerySet[PredictionSet]:
        """List the newest 100 sets of predictions from outside, the newest first."""
        return self.sets()[:LISTED]

    @answers(
        PredictionSetSerializer,
        202,
        needs=Ability.MODELS_CHANGE,
        request=BODIES,
        query=HandInOptions,
        examples=[EXAMPLE],
    )
    def post(self) -> PredictionSet:
        """Hand in predictions of your own model for all items: they become a model version, which picks batches.

        A worker reads them in the background: poll `url`. Respond with 409 if the project is private, or if 10 sets
        wait.
        """
        file, options = sent(self.request, self.project, HandInOptions)
        return prediction_sets.receive(project=self.project, user=self.user, **options, **file)


class PredictionSetDetail(_Sets):
    """Return a set of predictions from outside."""

    @answers(PredictionSetSerializer, needs=Ability.MODELS_READ)
    def get(self, set_id: int) -> PredictionSet:
        return self.one_of(self.sets(), "set of predictions", pk=set_id)


class ServerDetail(_Sets):
    """The server that makes predictions for the project."""

    # Not `models.read`, which auditors have: an address can hold a secret.

    @answers(PredictionServerSerializer, needs=Ability.MODELS_CHANGE)
    def get(self) -> PredictionServer:
        """Return the server of the project. Respond with 404 if it has none."""
        server = PredictionServer.objects.filter(project=self.project).first()
        if server is None:
            raise Http404(NO_SERVER)
        return server

    @answers(PredictionServerSerializer, needs=Ability.MODELS_CHANGE, takes=PredictionServerSerializer)
    def put(self) -> PredictionServer:
        """Set the server of the project. In a project that trains no models, it is asked after each batch."""
        return prediction_sets.set_server(project=self.project, **self.body)

    @answers(needs=Ability.MODELS_CHANGE)
    def delete(self) -> None:
        """Remove the server of the project. Its predictions stay."""
        if not prediction_sets.remove_server(self.project):
            raise Http404(NO_SERVER)


class ServerAsk(_Sets):
    """Have a worker ask the server for predictions of all items. Respond with 409 if the project has no server."""

    @answers(PredictionSetSerializer, 202, needs=Ability.MODELS_CHANGE)
    def post(self) -> PredictionSet:
        return prediction_sets.ask(project=self.project, user=self.user)
