"""Buckets of S3's protocol, at Amazon or at another endpoint. By s3fs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import cached_property
from ipaddress import ip_address
from typing import Any, TypeVar

import httpx
from django.utils.translation import gettext
from fsspec import asyn, get_filesystem_class

from labeling import outbound
from labeling.sources.base import (
    BLOCK_BYTES,
    LIST_SECONDS,
    BadAddress,
    Entry,
    Option,
    Reason,
    Remote,
    SourceProblem,
    busy,
    changed,
    silent,
    too_large,
)

Result = TypeVar("Result")

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION = re.compile(r"[a-z0-9-]{0,40}")
CONNECT_SECONDS, BLOCK_SECONDS = 5, 15
# Each request is tried four times: twice by botocore, each time that s3fs tries.
TRIES = 2

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "NotSignedUp"}
DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "InvalidPayer", "403"}
ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
BUSY = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503", "429"}


class S3(Remote):
    """The objects of a bucket whose keys begin with the path of the address and "/"."""

    schemes = ("s3",)
    title = "Amazon S3, or a store with S3's protocol"
    example = "s3://bucket/folder"
    options = (
        Option("key", "Access key ID", "Leave both keys empty for a bucket that anyone can read.", secret=True),
        Option("secret", "Secret access key", "The key needs to list the bucket and read its objects.", secret=True),
        Option("token", "Session token", "Only for credentials that expire.", secret=True),
        Option("region", "Region", "Such as eu-central-1. Empty: the store's default.", secret=False),
        Option("endpoint", "Endpoint", "For a store other than Amazon's: https://s3.example.org", secret=False),
    )

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        self._bucket, _, root = address.partition("://")[2].partition("/")
        self._root = root.strip("/")
        self.names_file = bool(self._root)
        if not BUCKET.fullmatch(self._bucket) or ".." in self._bucket:
            sentence = gettext("This names no bucket. Enter an address such as %(example)s.")
            raise BadAddress("address", sentence % {"example": self.example})
        if not REGION.fullmatch(options.get("region", "")):
            raise BadAddress("region", gettext("This is no region. Enter one such as eu-central-1, or leave it empty."))
        if bool(options.get("key")) != bool(options.get("secret")):
            raise BadAddress("secret", gettext("Enter both the access key ID and the secret access key, or neither."))
        self._endpoint = options.get("endpoint", "").rstrip("/")
        if self._endpoint:
            check_endpoint(self._endpoint)

    def entries(self, after: str = "") -> Iterator[Entry]:
        prefix = f"{self._root}/" if self._root else ""
        place: dict[str, str] = {"StartAfter": prefix + after} if after else {}
        while True:
            page = self._ask("", self._call("list_objects_v2", Bucket=self._bucket, Prefix=prefix, **place))
            for each in page.get("Contents", ()):
                if not each["Key"].endswith("/"):  # such keys stand for folders
                    key = each["Key"].removeprefix(prefix)
                    yield Entry(key, each["Size"], each["LastModified"], each.get("ETag", ""))
            if not page.get("IsTruncated"):
                return
            place = {"ContinuationToken": page["NextContinuationToken"]}

    def _look(self, key: str) -> Entry:
        facts = self._ask(key, self._call("head_object", Bucket=self._bucket, Key=self._full(key)))
        return Entry(key, facts["ContentLength"], facts.get("LastModified"), facts.get("ETag", ""))

    def _receive(self, key: str, write: Callable[[bytes], object], *, limit: int, etag: str, seconds: float) -> None:
        async def receive() -> None:
            answer = await self._call("get_object", Bucket=self._bucket, Key=self._full(key))
            async with answer["Body"] as body:
                if etag and answer.get("ETag", "") != etag:
                    raise changed(self._name(key))
                size = 0
                async for block in body.iter_chunks(BLOCK_BYTES):
                    size += len(block)
                    if size > limit:
                        raise too_large(self._name(key), limit)
                    write(block)

        self._ask(key, receive(), seconds=seconds)

    def _full(self, key: str) -> str:
        return f"{self._root}/{key}" if self._root and key else self._root or key

    def _name(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._full(key)}"

    @cached_property
    def _store(self) -> Any:
        """The file system. Nothing of it comes from the operator's environment: neither credentials nor endpoints."""
        try:
            of_s3 = get_filesystem_class("s3")
        except ImportError as error:
            raise SourceProblem(
                Reason.PLACE, gettext("This server cannot read S3: an operator has to install requirements-s3.txt.")
            ) from error
        store = of_s3(
            anon=not self.given.get("key"),
            key=self.given.get("key") or None,
            secret=self.given.get("secret") or None,
            token=self.given.get("token") or None,
            endpoint_url=self._endpoint or None,
            client_kwargs={"region_name": self.given["region"]} if self.given.get("region") else {},
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": BLOCK_SECONDS,
                "retries": {"mode": "standard", "total_max_attempts": 2},
                "proxies": {},
                "ignore_configured_endpoint_urls": True,
                "connector_args": {"resolver": _resolver(self._endpoint.partition("://")[0] or "https")},
                # Other stores do not know the checksums that Amazon's client asks for by default.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
            session=None,
            profile=None,
            use_listings_cache=False,
            skip_instance_cache=True,  # fsspec would keep credentials in memory, by their values
        )
        store.retries = TRIES
        return store

    async def _call(self, method: str, **arguments: Any) -> Any:
        return await self._store._call_s3(method, **arguments)

    def _ask(self, key: str, request: Coroutine[Any, Any, Result], *, seconds: float = LIST_SECONDS) -> Result:
        """Return the result of the request. Raises `SourceProblem`."""

        async def ask() -> Result:
            async with asyncio.timeout(seconds):  # that of `sync` would let the request go on
                return await request

        try:
            if self._endpoint:
                check_endpoint(self._endpoint)  # the operator may have taken a permission back
            return asyn.sync(self._store.loop, ask)
        except SourceProblem:
            request.close()
            raise
        except BadAddress as error:
            request.close()
            raise SourceProblem(Reason.FORBIDDEN, str(error)) from error
        except _failures() as error:
            raise self._problem(key, error) from error

    def _problem(self, key: str, error: BaseException) -> SourceProblem:
        if refusal := _refusal(error):
            return SourceProblem(Reason.FORBIDDEN, str(refusal))
        cause = error if hasattr(error, "response") else error.__cause__
        facts = (getattr(cause, "response", None) or {}).get("Error", {})
        code, there = str(facts.get("Code", "")), self._endpoint or "Amazon S3"
        if code in EXPIRED:
            return SourceProblem(Reason.CREDENTIALS, gettext("The credentials have expired. Enter new ones."))
        if code in UNKNOWN:
            sentence = gettext("%(place)s does not know these credentials. Enter them again.")
            return SourceProblem(Reason.CREDENTIALS, sentence % {"place": there})
        if code in DENIED:
            sentence = gettext("The credentials may not list or read this bucket. Give them that right (%(code)s).")
            if key:
                sentence = gettext("The credentials may not read this file. Give them that right (%(code)s).")
            return SourceProblem(Reason.CREDENTIALS, sentence % {"code": code})
        if code == "NoSuchBucket":
            sentence = gettext("There is no bucket %(bucket)s at %(place)s. Check the address.")
            return SourceProblem(Reason.PLACE, sentence % {"bucket": self._bucket, "place": there})
        if code in ELSEWHERE:
            return SourceProblem(Reason.PLACE, gettext("The bucket is in another region. Enter its region."))
        if code in BUSY:
            return busy(there)
        if code in ("NoSuchKey", "404", "NotFound") or isinstance(error, FileNotFoundError):
            return SourceProblem(Reason.FILE, gettext("There is no file %(name)s.") % {"name": self._name(key)})
        return silent(there, code or type(cause or error).__name__)


def check_endpoint(text: str) -> None:
    """Raise `BadAddress` unless requests may be sent to this endpoint. Its name is looked up at each connection."""
    try:
        outbound.check_text(text)
    except ValueError as error:
        raise BadAddress("endpoint", str(error)) from None


def _refusal(error: BaseException | None) -> outbound.Refused | None:
    """Return the refusal of an address that is the cause of this error, if one is."""
    while error is not None:
        if isinstance(error, outbound.Refused):
            return error
        error = error.__cause__ or error.__context__
    return None


def _failures() -> tuple[type[Exception], ...]:
    """Return the errors of requests: s3fs, botocore and aiohttp have no common one."""
    from aiohttp import ClientError as ConnectionFailed
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, TimeoutError, BotoCoreError, ClientError, ConnectionFailed, outbound.Refused


def _resolver(scheme: str) -> Any:
    """Return a resolver for aiohttp that connects to checked addresses alone."""
    from aiohttp.abc import AbstractResolver, ResolveResult  # comes with s3fs, which most installations do not use

    class Checked(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            found = await outbound.resolve(httpx.URL(scheme=scheme, host=host, port=port or None))
            return [
                ResolveResult(
                    hostname=host, host=each, port=port, family=outbound.family_of(ip_address(each)), proto=0, flags=0
                )
                for each in found
            ]

        async def close(self) -> None:
            pass

    return Checked()
