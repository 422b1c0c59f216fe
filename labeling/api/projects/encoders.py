"""The endpoint that shows and chooses a project's encoder."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectView
from labeling.api.shared.errors import Conflict
from labeling.api.shared.fields import StrictText
from labeling.api.shared.validation import read
from labeling.models import Ability
from labeling.projects.create import EncoderSettled, choose_encoder
from labeling.projects.encoder_settings import Encoder, encoders_for, name_of, weights_there


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


class EncoderSerializer(serializers.Serializer[Any]):
    """The project's encoder, and the encoders to choose from."""

    name = serializers.CharField()
    options = serializers.DictField()
    settled = serializers.BooleanField(help_text="Items are encoded: it cannot be changed any more.")
    known = KnownEncoderSerializer(many=True, help_text="The encoders for this kind of item.")
    weights = serializers.ListField(
        child=serializers.CharField(), help_text="What lies in the server's folder of weights, by name."
    )


class ProjectEncoder(ProjectView):
    """Return the project's encoder, the encoders to choose from, and the weights on the server."""

    subject = "Projects"
    reading = Ability.MODELS_READ
    changing = Ability.SETTINGS_CHANGE

    @extend_schema(responses=EncoderSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return self._shown()

    @extend_schema(request=EncoderChoiceSerializer, responses=EncoderSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Choose an encoder, before the first item is encoded."""
        choice = read(EncoderChoiceSerializer, request.data)
        try:
            choose_encoder(project=self.project, choice=choice)
        except EncoderSettled as error:
            raise Conflict(str(error)) from error
        return self._shown()

    def _shown(self) -> Response:
        project = self.project
        shown = {
            "name": name_of(project.kind, project.encoder),
            "options": project.encoder.get("options", {}),
            "settled": project.features_generation > 0,
            "known": [_known(encoder) for encoder in encoders_for(project.kind)],
            "weights": weights_there(),
        }
        return Response(EncoderSerializer(shown).data)


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
