"""The endpoint that shows and chooses a project's encoder."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.api.shared.fields import StrictText, read_body
from labeling.intake.registering import encoder_of
from labeling.models import Ability, EncoderComparison
from labeling.projects.encoders import encoder_change, encoder_comparison
from labeling.projects.encoders.encoder_change import choose_encoder
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of, reason_for_encoder
from models_store.encoders import Encoder


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
    why = serializers.CharField(
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


class EncodersToCompareSerializer(serializers.Serializer[Any]):
    """What to measure besides the project's encoder and those that need no choice of options."""

    also = serializers.ListField(child=EncoderChoiceSerializer(), required=False, max_length=5)


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
        choose_encoder(project=self.project, choice=read_body(EncoderChoiceSerializer, request.data))
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
        encoder_change.ask(
            project=self.project, choice=read_body(EncoderChoiceSerializer, request.data), user=self.user
        )
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
        also = read_body(EncodersToCompareSerializer, request.data).get("also", [])
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
