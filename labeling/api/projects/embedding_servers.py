"""Endpoints for the servers for embeddings, to which the encoder `endpoint` may send a project's texts."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.models import Ability, EmbeddingServer
from labeling.outside.outbound import validate_address
from labeling.projects.encoders import embedding_servers
from models_store.encoders.options import MOST_CHARACTERS


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
    """The servers for embeddings of the project."""

    reading = Ability.SETTINGS_READ
    changing = Ability.SETTINGS_CHANGE

    @answers(EmbeddingServerSerializer, many=True)
    def get(self) -> list[dict[str, Any]]:
        """List the servers that the project's texts may be sent to, with what they have cost."""
        return [self._shown(each) for each in self.project.embedding_servers.all()]

    @answers(EmbeddingServerSerializer, takes=EmbeddingServerSerializer)
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

    changing = Ability.SETTINGS_CHANGE

    @answers()
    def delete(self, server_id: int) -> None:
        servers = self.project.embedding_servers.select_related("project")
        missing = f"There is no server for embeddings {server_id} in this project."
        embedding_servers.remove_server(server=find_or_404(servers, missing, pk=server_id))
