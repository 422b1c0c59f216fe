"""Endpoints that show, choose and measure a project's encoder, and of the servers for embeddings that it may ask."""

import math
from dataclasses import asdict
from typing import Any

from django.http import Http404
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.intake.registering import encoder_of
from labeling.models import Ability, EmbeddingServer, EncoderComparison
from labeling.outside.outbound import validate_address
from labeling.projects.encoders import embedding_servers, encoder_change, encoder_comparison
from labeling.projects.encoders.encoder_change import choose_encoder
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of, reason_for_encoder
from models_store.encoders import Encoder
from models_store.encoders.options import MOST_CHARACTERS


class EncoderChoiceSerializer(fields.Shape):
    """A chosen encoder, by name, with its options."""

    name = fields.Text(max_length=100)
    options = fields.Object("By name. An option that names weights takes one of `weights`.", required=False)


class EncoderOptionSerializer(fields.Shape):
    """An option of an encoder."""

    name = fields.Text()
    meaning = fields.Text()
    default = serializers.JSONField(help_text="A text or a whole number; null: it has to be given.")
    names_weights = fields.Boolean("Whether it takes one of `weights`, or one of `packaged`.")
    packaged = fields.Texts("Weights that packages on the server ship, by name.")


class KnownEncoderSerializer(fields.Shape):
    """An encoder for the project's kind of item."""

    name = fields.Text()
    meaning = fields.Text()
    options = EncoderOptionSerializer(many=True)


class EncoderChangeSerializer(fields.Shape):
    """Another encoder, with which all items are encoded before the next version learns from it."""

    name = fields.Text(source="choice.name")
    options = fields.Object(source="choice.options")
    rows = fields.Count("Items encoded with it.")
    of = fields.Count("Items to encode.", source="project.encoded_rows")
    problem = fields.Text("Why the items cannot be encoded with it.", allow_blank=True)
    asked_at = fields.Time()


class EncoderSerializer(fields.Shape):
    """The project's encoder, and the encoders to choose from."""

    name = fields.Text()
    options = fields.Object()
    digest = fields.Text(
        "Of the encoder that the items are encoded with: the manifest of a model to register has name and "
        "digest. Empty until an item is encoded."
    )
    meaning = fields.Text("What it makes of an item. Registered models get these features, and not the item's content.")
    why = fields.Text("Why the server took it. Empty if a manager or an earlier release chose it.", allow_blank=True)
    settled = fields.Boolean("Items are encoded: another encoder takes `POST encoder/change/`.")
    next = EncoderChangeSerializer(allow_null=True, help_text="The encoder that the project changes to, if any.")
    known = KnownEncoderSerializer(many=True, help_text="The encoders for this kind of item.")
    weights = fields.Texts("What lies in the server's folder of weights, by name.")


class ComparedEncoderSerializer(fields.shape_of(encoder_comparison.Measured, without="choice")):  # type: ignore[misc]
    name = fields.Text(source="choice.name")
    options = fields.Object(source="choice.options")
    own = fields.Boolean("Whether it is the project's encoder.")


class EncoderComparisonSerializer(fields.Shape):
    """A measurement of encoders on the project's own labels."""

    state = fields.Text("waiting, running, done or failed.")
    share = fields.Share("The part that is done.")
    reason = fields.Text("Why it failed.", allow_blank=True)
    labels = fields.Count("Labels in the sample, none of them of control items.")
    drawn = fields.Boolean(
        "Whether the tested labels are a random sample of the pool. Otherwise most were picked, and no "
        "accuracy holds for the whole pool."
    )
    asked_at = fields.Time()
    measured_at = fields.Time(allow_null=True)
    encoders = ComparedEncoderSerializer(many=True, help_text="Those measured so far.")


class EncodersToCompareSerializer(fields.Shape):
    """What to measure besides the project's encoder and those that need no choice of options."""

    also = fields.List(child=EncoderChoiceSerializer(), required=False, max_length=5)


class _Encoder(ProjectView):
    def shown(self) -> dict[str, Any]:
        project, name = self.project, name_of(self.project.kind, self.project.encoder)
        return {
            "name": name,
            "options": project.encoder.get("options", {}),
            "digest": encoder_of(project)["digest"],
            "meaning": next((each.meaning for each in encoders_for(project.kind) if each.name == name), ""),
            "why": reason_for_encoder(project.kind, project.encoder),
            "settled": project.features_generation > 0,
            "next": encoder_change.change_of(project),
            "known": [_known(encoder) for encoder in encoders_for(project.kind)],
            "weights": installed_weights(),
        }


class ProjectEncoder(_Encoder):
    """Return the project's encoder, the encoders to choose from, and the weights on the server."""

    @answers(EncoderSerializer, needs=Ability.MODELS_READ)
    def get(self) -> dict[str, Any]:
        return self.shown()

    @answers(EncoderSerializer, needs=Ability.SETTINGS_CHANGE, takes=EncoderChoiceSerializer)
    def put(self) -> dict[str, Any]:
        """Choose an encoder, before the first item is encoded."""
        choose_encoder(project=self.project, choice=self.body)
        return self.shown()


def _known(encoder: type[Encoder]) -> dict[str, Any]:
    options = [
        {
            "name": name,
            "meaning": option.meaning,
            "default": option.default,
            "names_weights": option.weights,
            "packaged": list(option.packaged()),
        }
        for name, option in encoder.options.items()
    ]
    return {"name": encoder.name, "meaning": encoder.meaning, "options": options}


class ProjectEncoderChange(_Encoder):
    @answers(EncoderSerializer, needs=Ability.SETTINGS_CHANGE, takes=EncoderChoiceSerializer)
    def post(self) -> dict[str, Any]:
        """Encode all items with another encoder in the background. The next version whose training begins after that
        learns from it. Labels, batches and versions stay; versions of an earlier encoder pick no batch any more.
        """
        encoder_change.ask(project=self.project, choice=self.body, user=self.user)
        return self.shown()

    @answers(EncoderSerializer, needs=Ability.SETTINGS_CHANGE)
    def delete(self) -> dict[str, Any]:
        """Keep the present encoder."""
        encoder_change.withdraw(project=self.project)
        return self.shown()


class ProjectEncoderComparison(ProjectView):
    """Return the last measurement of encoders on the project's own labels."""

    @answers(EncoderComparisonSerializer, needs=Ability.MODELS_READ)
    def get(self) -> dict[str, Any]:
        comparison = encoder_comparison.comparison_of(self.project)
        if comparison is None:
            raise Http404("The encoders have not been measured. POST asks for it.")
        return self._shown(comparison)

    @answers(EncoderComparisonSerializer, needs=Ability.SETTINGS_CHANGE, takes=EncodersToCompareSerializer)
    def post(self) -> dict[str, Any]:
        """Measure the encoders in the background, unless that is under way. It trains five models with each encoder on
        at most 3,000 labels. Respond with 409 for a private project, or with fewer than 50 labels.
        """
        return self._shown(encoder_comparison.ask(project=self.project, also=self.body.get("also", [])))

    def _shown(self, comparison: EncoderComparison) -> dict[str, Any]:
        job, own = comparison.job, encoder_comparison.own_choice(self.project)
        return {
            "state": job.state if job else "done",
            "share": job.share if job else 1,
            "reason": job.reason if job else "",
            "labels": comparison.labels,
            "drawn": comparison.drawn,
            "asked_at": comparison.asked_at,
            "measured_at": comparison.measured_at,
            "encoders": [
                {**asdict(each), "own": each.choice == own} for each in encoder_comparison.results_of(comparison)
            ],
        }


class EmbeddingServerSerializer(fields.Shape):
    """A server for embeddings, to which the encoder `endpoint` may send the project's texts."""

    id = fields.Integer(read_only=True)
    address = fields.Text(
        "Where embeddings are requested. Shown to members: no place for a secret.",
        max_length=MOST_CHARACTERS,
        validators=[validate_address],
    )
    key = fields.Secret(
        "Sent to this address alone, as a bearer token. Stored encrypted, never shown. Left out, it stays."
    )
    has_key = fields.Boolean(read_only=True)
    price = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        min_value=0,
        max_value=1e6,
        help_text="Of a million tokens, in the project's currency.",
    )
    tokens = fields.Count("That the server has counted in the project's texts so far.", read_only=True)
    cost = fields.Float("Of these tokens; null without a price.", read_only=True, allow_null=True)
    tokens_of_all = fields.Count("The estimate for all texts: a quarter of their characters.", read_only=True)

    def validate_price(self, price: float | None) -> float | None:
        if price is not None and not math.isfinite(price):
            raise serializers.ValidationError("The price must be a number.")
        return price


class ProjectEmbeddingServers(ProjectView):
    @answers(EmbeddingServerSerializer, needs=Ability.SETTINGS_READ, many=True)
    def get(self) -> list[dict[str, Any]]:
        """List the servers that the project's texts may be sent to, with what they have cost."""
        return [self._shown(each) for each in self.project.embedding_servers.all()]

    @answers(EmbeddingServerSerializer, needs=Ability.SETTINGS_CHANGE, takes=EmbeddingServerSerializer)
    def put(self) -> dict[str, Any]:
        """Add a server, or change the key and the price of the one with this address. Then the encoder `endpoint` takes
        its address.
        """
        return self._shown(embedding_servers.set_server(project=self.project, **self.body))

    def _shown(self, server: EmbeddingServer) -> dict[str, Any]:
        names = ("id", "address", "price", "tokens", "cost")
        shown = {name: getattr(server, name) for name in names} | {"has_key": bool(server.key)}
        return {**shown, "tokens_of_all": embedding_servers.tokens_of_pool(self.project)}


class ProjectEmbeddingServer(ProjectView):
    """Remove a server with its key: no more texts are sent to it. Features that it made stay."""

    @answers(needs=Ability.SETTINGS_CHANGE)
    def delete(self, server_id: int) -> None:
        servers = self.project.embedding_servers.select_related("project")
        embedding_servers.remove_server(server=self.one_of(servers, "server for embeddings", pk=server_id))
