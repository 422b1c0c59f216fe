"""The endpoint that shows and chooses a project's encoder."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.api.shared.errors import Conflict, find_or_404
from labeling.api.shared.fields import StrictText
from labeling.api.shared.validation import read
from labeling.intake.registering import encoder_of
from labeling.models import Ability, EmbeddingServer, EncoderComparison
from labeling.outside.outbound import check_text
from labeling.projects.encoders import embedding_servers, encoder_change, encoder_comparison
from labeling.projects.encoders.encoder_change import EncoderSettled, choose_encoder
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of, reason_for_encoder
from models_store.encoders import Encoder
from models_store.encoders.options import MOST_CHARACTERS


class EncoderChoiceSerializer(serializers.Serializer[Any]):
    """A chosen encoder, by name, with its options."""

    name = StrictText(max_length=100)
    options = serializers.DictField(
        required=False, help_text="By name. An option that names weights takes one of `weights`."
    )


class EncoderOptionSerializer(serializers.Serializer[Any]):
    """An option of an encoder."""

    name = serializers.CharField()
    meaning = serializers.CharField()
    default = serializers.JSONField(help_text="A text or a whole number; null: it has to be given.")
    names_weights = serializers.BooleanField(help_text="Whether it takes one of `weights`, or one of `packaged`.")
    packaged = serializers.ListField(
        child=serializers.CharField(), help_text="Weights that packages on the server ship, by name."
    )


class KnownEncoderSerializer(serializers.Serializer[Any]):
    """An encoder for the project's kind of item."""

    name = serializers.CharField()
    meaning = serializers.CharField()
    options = EncoderOptionSerializer(many=True)


class EncoderChangeSerializer(serializers.Serializer[Any]):
    """Another encoder, with which all items are encoded before the next version learns from it."""

    name = serializers.CharField(source="choice.name")
    options = serializers.DictField(source="choice.options")
    rows = serializers.IntegerField(min_value=0, help_text="Items encoded with it.")
    of = serializers.IntegerField(min_value=0, source="project.encoded_rows", help_text="Items to encode.")
    problem = serializers.CharField(allow_blank=True, help_text="Why the items cannot be encoded with it.")
    asked_at = serializers.DateTimeField()


class EncoderSerializer(serializers.Serializer[Any]):
    """The project's encoder, and the encoders to choose from."""

    name = serializers.CharField()
    options = serializers.DictField()
    digest = serializers.CharField(
        help_text="Of the encoder that the items are encoded with: the manifest of a model to register has name and "
        "digest. Empty until an item is encoded."
    )
    meaning = serializers.CharField(
        help_text="What it makes of an item. Registered models get these features, and not the item's content."
    )
    reason_for_encoder = serializers.CharField(
        allow_blank=True, help_text="Why the server took it. Empty if a manager or an earlier release chose it."
    )
    settled = serializers.BooleanField(help_text="Items are encoded: another encoder takes `POST encoder/change/`.")
    next = EncoderChangeSerializer(allow_null=True, help_text="The encoder that the project changes to, if any.")
    known = KnownEncoderSerializer(many=True, help_text="The encoders for this kind of item.")
    weights = serializers.ListField(
        child=serializers.CharField(), help_text="What lies in the server's folder of weights, by name."
    )


class ComparedEncoderSerializer(serializers.Serializer[Any]):
    """An encoder, and how right the project's model is with it."""

    name = serializers.CharField(source="choice.name")
    options = serializers.DictField(source="choice.options")
    own = serializers.BooleanField(help_text="Whether it is the project's encoder.")
    accuracy = serializers.FloatField(
        allow_null=True, help_text="Of models that have not learned the tested labels; null: see `problem`."
    )
    low = serializers.FloatField(allow_null=True, help_text="The lower end of the 95 % interval.")
    high = serializers.FloatField(allow_null=True)
    tested = serializers.IntegerField(min_value=0, help_text="Tested labels.")
    seconds = serializers.FloatField(min_value=0, help_text="To encode the `labels` items.")
    pool_seconds = serializers.FloatField(min_value=0, help_text="The estimate for all items.")
    problem = serializers.CharField(allow_blank=True, help_text="Why it could not be measured.")


class EncoderComparisonSerializer(serializers.Serializer[Any]):
    """A measurement of encoders on the project's own labels."""

    state = serializers.CharField(help_text="waiting, running, done or failed.")
    share = serializers.FloatField(min_value=0, max_value=1, help_text="The part that is done.")
    reason = serializers.CharField(allow_blank=True, help_text="Why it failed.")
    labels = serializers.IntegerField(min_value=0, help_text="Labels in the sample, none of them of control items.")
    drawn = serializers.BooleanField(
        help_text="Whether the tested labels are a random sample of the pool. Otherwise most were picked, and no "
        "accuracy holds for the whole pool."
    )
    asked_at = serializers.DateTimeField()
    measured_at = serializers.DateTimeField(allow_null=True)
    encoders = ComparedEncoderSerializer(many=True, help_text="Those measured so far.")

    example: ClassVar[dict[str, Any]] = {
        "state": "done",
        "share": 1.0,
        "reason": "",
        "labels": 400,
        "drawn": True,
        "asked_at": "2026-03-01T09:12:44Z",
        "measured_at": "2026-03-01T09:14:02Z",
        "encoders": [
            {
                "name": "pixels",
                "options": {},
                "own": True,
                "accuracy": 0.72,
                "low": 0.654,
                "high": 0.778,
                "tested": 200,
                "seconds": 0.8,
                "pool_seconds": 24.0,
                "problem": "",
            },
            {
                **{"name": "backbone", "options": {"architecture": "torchvision/resnet50", "weights": "resnet50.pth"}},
                "own": False,
                "accuracy": 0.91,
                "low": 0.862,
                "high": 0.942,
                "tested": 200,
                "seconds": 31.0,
                "pool_seconds": 930.0,
                "problem": "",
            },
        ],
    }


class EncodersToCompareSerializer(serializers.Serializer[Any]):
    """What to measure besides the project's encoder and those that need no choice of options."""

    also = serializers.ListField(child=EncoderChoiceSerializer(), required=False, max_length=5)


class EmbeddingServerSerializer(serializers.Serializer[Any]):
    """A server for embeddings, to which the encoder `endpoint` may send the project's texts."""

    id = serializers.IntegerField(read_only=True)
    address = StrictText(
        max_length=MOST_CHARACTERS, help_text="Where embeddings are requested. Shown to members: no place for a secret."
    )
    key = StrictText(
        max_length=1000,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Sent to this address alone, as a bearer token. Stored encrypted, never shown. Left out, it stays.",
    )
    has_key = serializers.BooleanField(read_only=True)
    price = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        min_value=0,
        max_value=1e6,
        help_text="Of a million tokens, in the project's currency.",
    )
    tokens = serializers.IntegerField(
        read_only=True, min_value=0, help_text="That the server has counted in the project's texts so far."
    )
    cost = serializers.FloatField(read_only=True, allow_null=True, help_text="Of these tokens; null without a price.")
    tokens_of_all = serializers.IntegerField(
        read_only=True, min_value=0, help_text="The estimate for all texts: a quarter of their characters."
    )

    def validate_address(self, address: str) -> str:
        try:
            check_text(address)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        return address

    def validate_price(self, price: float | None) -> float | None:
        if price is not None and not math.isfinite(price):
            raise serializers.ValidationError("The price must be a number.")
        return price


class ProjectEmbeddingServers(ProjectView):
    """The servers for embeddings of the project."""

    subject = "Projects"
    reading = Ability.SETTINGS_READ
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses=EmbeddingServerSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """List the servers that the project's texts may be sent to, with what they have cost."""
        return Response([self._shown(each) for each in self.project.embedding_servers.all()])

    @extend_schema(request=EmbeddingServerSerializer, responses=EmbeddingServerSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Add a server, or change the key and the price of the one with this address. Then the encoder `endpoint` takes
        its address.
        """
        fields = read(EmbeddingServerSerializer, request.data)
        return Response(self._shown(embedding_servers.set_server(project=self.project, **fields)))

    def _shown(self, server: EmbeddingServer) -> dict[str, Any]:
        names = ("id", "address", "price", "tokens", "cost")
        shown = {name: getattr(server, name) for name in names} | {"has_key": bool(server.key)}
        tokens = embedding_servers.tokens_of_pool(self.project)
        return EmbeddingServerSerializer({**shown, "tokens_of_all": tokens}).data


class ProjectEmbeddingServer(ProjectView):
    """A server for embeddings of the project."""

    subject = "Projects"
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, server_id: int) -> Response:
        """Remove a server with its key: no more texts are sent to it. Features that it made stay."""
        servers = self.project.embedding_servers.select_related("project")
        missing = f"There is no server for embeddings {server_id} in this project."
        embedding_servers.remove_server(server=find_or_404(servers, missing, pk=server_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class _Encoder(ProjectView):
    """Base of the endpoints of the encoder."""

    subject = "Projects"
    changing = Ability.SETTINGS_CHANGE

    def shown(self) -> Response:
        project, name = self.project, name_of(self.project.kind, self.project.encoder)
        shown = {
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
        return Response(EncoderSerializer(shown).data)


class ProjectEncoder(_Encoder):
    """Return the project's encoder, the encoders to choose from, and the weights on the server."""

    reading = Ability.MODELS_READ

    @extend_schema(responses=EncoderSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return self.shown()

    @extend_schema(request=EncoderChoiceSerializer, responses=EncoderSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Choose an encoder, before the first item is encoded."""
        choice = read(EncoderChoiceSerializer, request.data)
        try:
            choose_encoder(project=self.project, choice=choice)
        except EncoderSettled as error:
            raise Conflict(str(error)) from error
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
    """The change to another encoder."""

    @extend_schema(request=EncoderChoiceSerializer, responses=EncoderSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Encode all items with another encoder in the background. The next version whose training begins after that
        learns from it. Labels, batches and versions stay; versions of an earlier encoder pick no batch any more.
        """
        encoder_change.ask(project=self.project, choice=read(EncoderChoiceSerializer, request.data), user=self.user)
        return self.shown()

    @extend_schema(request=None, responses={200: EncoderSerializer})
    def delete(self, request: Request, slug: str) -> Response:
        """Keep the present encoder."""
        encoder_change.withdraw(project=self.project)
        return self.shown()


class ProjectEncoderComparison(ProjectView):
    """Return the last measurement of encoders on the project's own labels."""

    subject = "Projects"
    reading = Ability.MODELS_READ
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses=EncoderComparisonSerializer)
    def get(self, request: Request, slug: str) -> Response:
        comparison = encoder_comparison.comparison_of(self.project)
        if comparison is None:
            raise Http404("The encoders have not been measured. POST asks for it.")
        return self._shown(comparison)

    @extend_schema(request=EncodersToCompareSerializer, responses=EncoderComparisonSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Measure the encoders in the background, unless that is under way. It trains five models with each encoder on
        at most 3,000 labels. Respond with 409 for a private project, or with fewer than 50 labels.
        """
        also = read(EncodersToCompareSerializer, request.data).get("also", [])
        return self._shown(encoder_comparison.ask(project=self.project, also=also))

    def _shown(self, comparison: EncoderComparison) -> Response:
        job, own = comparison.job, encoder_comparison.own_choice(self.project)
        shown = {
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
        return Response(EncoderComparisonSerializer(shown).data)
