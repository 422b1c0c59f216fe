"""The servers that a project's texts may be sent to for embeddings: their keys, prices, and what they will cost."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from labeling import kinds
from labeling.models import EmbeddingServer, LogKind, Project
from labeling.observing import auditlog
from labeling.projects.encoders.encoder_settings import check_encoder, encoder_of
from labeling.projects.privacy import ledger
from labeling.storage.db.sealed import seal

SAMPLE = 500
"""The texts from which the tokens of all are estimated."""
LETTERS_A_TOKEN = 4


def check_encoder_choice(project: Project, choice: Any) -> dict[str, Any]:
    """Return the choice of an encoder if it is valid for this project. Raises `ValidationError`, whose `code` is the
    name of the option at fault.
    """
    value = check_encoder(project.kind, choice, private=ledger.is_private(project))
    if encoder_of(project.kind, value).sends_items:
        address = value["options"]["address"]
        if not project.embedding_servers.filter(address=address).exists():
            raise ValidationError(
                gettext("This project has no server for embeddings at %(address)s. Enter the server first.")
                % {"address": address},
                code="address",
            )
    return value


@transaction.atomic
def set_server(*, project: Project, address: str, key: str = "", price: float | None = None) -> EmbeddingServer:
    """Add a server of the project, or change the one with this address. Without a key, the present one stays."""
    server, _ = EmbeddingServer.objects.get_or_create(project=project, address=address)
    server.price = price
    if key:
        server.key = seal(key)
    server.save(update_fields=["price", "key"])
    _record(project, {"host": urlsplit(address).hostname, "key": bool(server.key)})
    return server


@transaction.atomic
def remove_server(*, server: EmbeddingServer) -> None:
    """Remove a server with its key. Features that it made stay."""
    server.delete()
    _record(server.project, {"host": None, "removed": urlsplit(server.address).hostname})


def _record(project: Project, after: Mapping[str, Any]) -> None:
    auditlog.record(LogKind.EMBEDDING_SERVER, project=project, after=after)


def tokens_of_pool(project: Project) -> int:
    """Estimate the tokens of all texts of the project: a quarter of their letters. Two queries."""
    items = project.items.kept()
    kind = kinds.of(project)
    lengths = [
        len(kind.raw(data, None)) for data in items.order_by("control_key").values_list("data", flat=True)[:SAMPLE]
    ]
    if not lengths:
        return 0
    n = len(lengths) if len(lengths) < SAMPLE else items.count()
    return round(n * sum(lengths) / len(lengths) / LETTERS_A_TOKEN)
