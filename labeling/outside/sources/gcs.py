"""Buckets of Google Cloud Storage, by its JSON API."""

import datetime
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.utils.translation import gettext, gettext_noop

from labeling.outside.outbound import Response
from labeling.outside.sources.base import LIST_SECONDS, BadAddress, Entry, Option, Reason, SourceProblem
from labeling.outside.sources.remote import StoreRemote

API, TOKENS = "https://storage.googleapis.com", "https://oauth2.googleapis.com/token"
"""The hosts. An address in the service account's key, which could lead anywhere, is not used."""
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
PAGE = 1000
TOKEN_SECONDS, SPARE_SECONDS = 3600, 120
WRONG = gettext_noop("Paste the whole JSON key of a service account, as downloaded from Google Cloud.")


class Gcs(StoreRemote):
    """A bucket of Google Cloud Storage."""

    schemes = ("gs",)
    title = "Google Cloud Storage"
    example = "gs://bucket/folder"
    options = (
        Option(
            "service_account",
            "Key of a service account",
            "The JSON key. The account needs the role Storage Object Viewer. Leave empty if the bucket is public.",
            long=True,
        ),
    )
    etag_header = "x-goog-generation"

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        self._set_path(address.partition("://")[2])
        self._check_bucket(BUCKET)
        self._token, self._token_until = "", 0.0
        self._account = _account(options["service_account"]) if options.get("service_account") else None

    def _pages(self, after: str) -> Iterator[Iterable[Entry]]:
        prefix = self._prefix
        query = {"prefix": prefix, "startOffset": prefix + after, "maxResults": str(PAGE)}
        query["fields"] = "items(name,size,updated,generation),nextPageToken"
        while True:
            page = orjson.loads(self._facts(f"{API}/storage/v1/b/{self._bucket}/o?{urlencode(query)}"))
            yield [_entry(each, prefix) for each in page.get("items", ()) if not each["name"].endswith("/")]
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def _look(self, key: str) -> Entry:
        return _entry(orjson.loads(self._facts(self._object(key), key or self._root)), "")._replace(key=key)

    def _url(self, key: str) -> str:
        return f"{self._object(key)}?alt=media"

    def _object(self, key: str) -> str:
        return f"{API}/storage/v1/b/{self._bucket}/o/{quote(self._full(key), safe='')}"

    def _name(self, key: str) -> str:
        return f"gs://{self._bucket}/{key if key == self._root else self._full(key)}"

    async def _check(self, key: str, answer: Response) -> None:
        if answer.status_code == 404 and not key:
            sentence = gettext("The bucket %(bucket)s does not exist, or there is no file at this URL.")
            raise SourceProblem(Reason.PLACE, sentence % {"bucket": self._bucket})
        if answer.status_code == 403:
            raise SourceProblem(
                Reason.CREDENTIALS,
                gettext(
                    "The service account is not allowed to list or read this. Give it the role Storage Object Viewer."
                ),
            )
        await super()._check(key, answer)

    async def _headers(self, method: str, url: str) -> Mapping[str, str]:
        if self._account is None:
            return {}
        if time.time() > self._token_until:
            self._token, seconds = await self._new_token(*self._account)
            self._token_until = time.time() + seconds - SPARE_SECONDS
        return {"authorization": f"Bearer {self._token}"}

    async def _new_token(self, account: str, key: RSAPrivateKey) -> tuple[str, float]:
        """Return a token that reads, and the seconds that it is valid for. Raises `SourceProblem`."""
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": _assertion(account, key)}
        async with self._sent("POST", TOKENS, LIST_SECONDS, form=form) as answer:
            if answer.status_code in (400, 401, 403):
                raise SourceProblem(
                    Reason.CREDENTIALS, gettext("Google rejected the service account's key. Enter a valid key.")
                )
            if not answer.is_success:
                sentence = gettext("Google did not issue a token (%(code)s). Try again later.")
                raise SourceProblem(Reason.AWAY, sentence % {"code": answer.status_code})
            facts = orjson.loads(await self._body(answer))
        return str(facts["access_token"]), float(facts.get("expires_in", TOKEN_SECONDS))


def _entry(facts: Mapping[str, Any], prefix: str) -> Entry:
    changed = datetime.datetime.fromisoformat(facts["updated"]) if facts.get("updated") else None
    return Entry(facts["name"].removeprefix(prefix), int(facts["size"]), changed, str(facts.get("generation", "")))


def _account(text: str) -> tuple[str, RSAPrivateKey]:
    """Return the address and the private key of a service account. Raises `BadAddress`."""
    try:
        facts = orjson.loads(text)
        key = load_pem_private_key(facts["private_key"].encode(), password=None)
        if facts["type"] == "service_account" and isinstance(key, RSAPrivateKey):
            return str(facts["client_email"]), key
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        pass
    raise BadAddress("service_account", gettext(WRONG))


def _assertion(account: str, key: RSAPrivateKey) -> str:
    """Return the signed request of a service account for a token."""
    now = int(time.time())
    claims = {"iss": account, "scope": SCOPE, "aud": TOKENS, "iat": now, "exp": now + TOKEN_SECONDS}
    return jwt.encode(claims, key, algorithm="RS256")
