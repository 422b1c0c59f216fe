"""Places outside from which a project's items come: S3, Google Cloud Storage, Azure Blob Storage, and the web.

`remote_of` returns the `Remote` of a source: it lists and reads files. No database. To add a kind of place, write its
class in this folder, and list it in `PLACES`.
"""

from collections.abc import Mapping
from typing import Protocol

import orjson
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling.outside.sources.azure import Azure
from labeling.outside.sources.base import (
    READ_SECONDS,
    REQUEST_SECONDS,
    BadAddress,
    Entry,
    Option,
    Reason,
    SourceProblem,
)
from labeling.outside.sources.gcs import Gcs
from labeling.outside.sources.remote import Remote
from labeling.outside.sources.s3 import S3
from labeling.outside.sources.web import Web
from labeling.storage.db.sealed import Unreadable, seal, unseal

__all__ = ["READ_SECONDS", "REQUEST_SECONDS", "BadAddress", "Entry", "Option", "Reason", "Remote", "SourceProblem"]

MAX_ADDRESS = 2000
PLACES: tuple[type[Remote], ...] = (S3, Gcs, Azure, Web)
SCHEMES: dict[str, type[Remote]] = {scheme: place for place in PLACES for scheme in place.schemes}


class SourceRow(Protocol):
    """What a row of the table of sources has."""

    address: str
    options: dict[str, str]
    sealed_secrets: str


def _place_of(address: str) -> type[Remote]:
    place = SCHEMES.get(address.partition("://")[0]) if "://" in address else None
    if place is None:
        known = ", ".join(f"{each.example}" for each in PLACES)
        sentence = gettext("This is not the URL of a source. Enter one such as %(known)s.")
        raise BadAddress("address", sentence % {"known": known})
    if len(address) > MAX_ADDRESS or not address.isprintable() or address != address.strip():
        sentence = gettext("Enter a URL of at most %(most)s characters, without spaces around it.")
        raise BadAddress("address", sentence % {"most": number_format(MAX_ADDRESS, force_grouping=True)})
    return place


def remote_at(address: str, options: Mapping[str, str]) -> Remote:
    """Return the `Remote` at an address; `options` are its texts, the secrets among them. Raises `BadAddress`."""
    return _place_of(address)(address, options)


def options_of(address: str) -> tuple[Option, ...]:
    """Return the options of a source at this address. Raises `BadAddress`."""
    return _place_of(address).options


def checked_remote(address: str, options: Mapping[str, str]) -> Remote:
    """Return the `Remote` at an address that a member enters with these options. Raises `BadAddress`, also for an
    option that no source there has.
    """
    known = {each.name for each in options_of(address)}
    for name in options:
        if name not in known:
            sentence = gettext("This kind of source has no option %(name)s. Remove it.")
            raise BadAddress(name, sentence % {"name": name})
    return remote_at(address, options)


def seal_secrets(secrets: Mapping[str, str]) -> str:
    """Return the secrets encrypted; "" for none."""
    return seal(orjson.dumps(dict(secrets)).decode()) if secrets else ""


def remote_of(source: SourceRow) -> Remote:
    """Return the `Remote` of a source. Errors as for `remote_with`."""
    return remote_with(source.address, source.options, source.sealed_secrets)


def remote_with(address: str, options: Mapping[str, str], sealed_secrets: str) -> Remote:
    """Return the `Remote` at a stored address. Raises `SourceProblem` if it is refused or secrets are unreadable."""
    try:
        secrets = orjson.loads(unseal(sealed_secrets)) if sealed_secrets else {}
        return remote_at(address, {**options, **secrets})
    except Unreadable as error:
        raise SourceProblem(Reason.CREDENTIALS, str(error)) from error
    except BadAddress as error:
        raise SourceProblem(Reason.FORBIDDEN, str(error)) from error
