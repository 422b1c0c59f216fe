"""Buckets of S3's protocol, at Amazon or at another endpoint, by its REST API."""

import datetime
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import quote, unquote_plus, urlencode, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from django.utils import timezone
from django.utils.translation import gettext

from labeling.outside import outbound
from labeling.outside.sources.base import LIST_SECONDS, BadAddress, Entry, Option, Reason, SourceProblem, busy, silent
from labeling.outside.sources.remote import StoreRemote, number

AMAZON, CHINA = "https://s3.{region}.amazonaws.com", "https://s3.{region}.amazonaws.com.cn"
USUAL = "us-east-1"
"""The region of a bucket whose store tells no other, and of signatures for stores that have none."""
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION = re.compile(r"[a-z0-9-]{0,40}")
PAGE = 1000
MOST_REFUSAL = 64 << 10
"""The bytes of a refusal that are read."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "NotSignedUp"}
DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidObjectState", "InvalidPayer", "401", "403"}
ELSEWHERE = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}
ELSEWHERE |= {"IllegalLocationConstraintException", "301", "302", "303", "307", "308"}
BUSY = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503", "429"}


class S3(StoreRemote):
    """A bucket of S3, or of a store with its protocol."""

    schemes = ("s3",)
    title = "Amazon S3, or a store compatible with S3"
    example = "s3://bucket/folder"
    options = (
        Option("key", "Access key ID", "Leave both keys empty if the bucket is public.", secret=True),
        Option(
            "secret",
            "Secret access key",
            "The key needs permission to list the bucket and read its objects.",
            secret=True,
        ),
        Option("token", "Session token", "Only for temporary credentials.", secret=True),
        Option("region", "Region", "For example eu-central-1. If empty, the store's default is used.", secret=False),
        Option(
            "endpoint", "Endpoint", "For stores other than Amazon S3, for example https://s3.example.org", secret=False
        ),
    )

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        self._set_path(address.partition("://")[2])
        self._check_bucket(BUCKET)
        self._region = options.get("region", "")
        if not REGION.fullmatch(self._region):
            raise BadAddress(
                "region", gettext("This is not a region. Enter one such as eu-central-1, or leave the field empty.")
            )
        key, secret = options.get("key", ""), options.get("secret", "")
        if bool(key) != bool(secret):
            raise BadAddress("secret", gettext("Enter both the access key ID and the secret access key, or neither."))
        self._keys = Keys(key, secret, options.get("token", "")) if key else None
        if not all(text.isascii() and text.isprintable() for text in self._keys or ()):
            raise BadAddress("key", gettext("The keys must contain only ASCII characters."))
        self._endpoint = _checked(options.get("endpoint", ""))

    def _pages(self, after: str) -> Iterator[Iterable[Entry]]:
        prefix = self._prefix
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix, "max-keys": str(PAGE)}
        if after:
            query["start-after"] = prefix + after
        while True:
            page = self._list(f"?{urlencode(query, quote_via=quote, safe='-_.~')}")
            is_encoded = page.findtext("{*}EncodingType") == "url"
            files = [_entry(each, prefix, is_encoded=is_encoded) for each in page.iterfind("{*}Contents")]
            yield [each for each in files if each.key and not each.key.endswith("/")]  # such keys stand for folders
            token = page.findtext("{*}NextContinuationToken")
            if page.findtext("{*}IsTruncated") != "true" or not token:
                return
            query["continuation-token"] = token

    def _url(self, key: str) -> str:
        """Return the address of a file below that of the bucket, which `_answer` knows."""
        return f"/{quote(self._full(key), safe='/-_.~')}"

    def _name(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._full(key)}"

    def _etag(self, answer: outbound.Response) -> str:
        return answer.headers.get("etag", "")  # as lists have it: in quotes

    @asynccontextmanager
    async def _answer(self, method: str, url: str, seconds: float) -> AsyncIterator[outbound.Response]:
        async with super()._answer(method, await self._place() + url, seconds) as answer:
            yield answer

    async def _place(self) -> str:
        """Return the address of the bucket. Amazon's regions each have a host of their own."""
        if self._endpoint:
            return f"{self._endpoint}/{self._bucket}"
        if not self._region:  # Amazon tells anyone the region of a bucket
            async with self._sent("HEAD", f"{AMAZON.format(region=USUAL)}/{self._bucket}", LIST_SECONDS) as answer:
                region = answer.headers.get("x-amz-bucket-region", "")
            self._region = region if REGION.fullmatch(region) and region else USUAL
        host = CHINA if self._region.startswith("cn-") else AMAZON
        return f"{host.format(region=self._region)}/{self._bucket}"

    async def _headers(self, method: str, url: str) -> Mapping[str, str]:
        if self._keys is None:
            return {}
        return signed(method, url, self._keys, region=self._region or USUAL, now=timezone.now())

    async def _check(self, key: str, answer: outbound.Response) -> None:
        if not answer.is_success:
            raise self._problem(key, await _code(answer) or str(answer.status_code), answer)

    def _problem(self, key: str, code: str, answer: outbound.Response) -> SourceProblem:
        there = self._endpoint or "Amazon S3"
        if code in EXPIRED:
            return SourceProblem(Reason.CREDENTIALS, gettext("The credentials have expired. Enter new ones."))
        if code in UNKNOWN:
            sentence = gettext("%(place)s rejected these credentials. Enter them again.")
            return SourceProblem(Reason.CREDENTIALS, sentence % {"place": there})
        if code in DENIED:
            sentence = gettext(
                "These credentials are not allowed to list or read this bucket (%(code)s). Grant them that permission."
            )
            if key:
                sentence = gettext(
                    "These credentials are not allowed to read this file (%(code)s). Grant them that permission."
                )
            return SourceProblem(Reason.CREDENTIALS, sentence % {"code": code})
        if code == "NoSuchBucket":
            sentence = gettext("The bucket %(bucket)s does not exist at %(place)s. Check the URL.")
            return SourceProblem(Reason.PLACE, sentence % {"bucket": self._bucket, "place": there})
        if code in ELSEWHERE:
            return self._elsewhere(code, answer.headers.get("x-amz-bucket-region", ""), there)
        if code in BUSY:
            return busy(there)
        if code in ("NoSuchKey", "404", "NotFound"):
            return SourceProblem(Reason.FILE, gettext("The file %(name)s does not exist.") % {"name": self._name(key)})
        return silent(there, code)

    def _elsewhere(self, code: str, region: str, there: str) -> SourceProblem:
        sentence = gettext("The bucket is in another region. Enter its region.")
        if region and REGION.fullmatch(region):
            sentence = gettext("The bucket is in the region %(region)s. Enter this region.") % {"region": region}
        elif code.isdigit():
            sentence = gettext("%(place)s redirects to another URL. Enter that URL.") % {"place": there}
        return SourceProblem(Reason.PLACE, sentence)


def _checked(endpoint: str) -> str:
    """Return the endpoint as requests name it. Raises `BadAddress` unless requests may be sent there."""
    if not endpoint:
        return ""
    try:
        url = outbound.check_text(endpoint.rstrip("/"))
    except ValueError as error:
        raise BadAddress("endpoint", str(error)) from None
    if url.query or url.fragment:
        raise BadAddress("endpoint", gettext("This is not an endpoint. Enter one such as https://s3.example.org"))
    return str(url).rstrip("/")


def _entry(found: Element, prefix: str, *, is_encoded: bool) -> Entry:
    key = found.findtext("{*}Key", "")
    key = unquote_plus(key) if is_encoded else key
    try:
        changed = datetime.datetime.fromisoformat(found.findtext("{*}LastModified", ""))
    except ValueError:
        changed = None
    size = number(found.findtext("{*}Size", ""))
    return Entry(key.removeprefix(prefix), size, changed, found.findtext("{*}ETag", ""))


async def _code(answer: outbound.Response) -> str:
    """Return the code of a refusal; "" if it has none."""
    try:
        refusal: Element = fromstring(await outbound.body_of(answer, MOST_REFUSAL))
    except (ParseError, DefusedXmlException, ValueError, outbound.TooLong):
        return ""
    return refusal.findtext("{*}Code", "")[:100]


# Signatures of requests to S3, version 4, of requests without a body.
#
# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

EMPTY = hashlib.sha256(b"").hexdigest()


class Keys(NamedTuple):
    """An access key, and the session token of one that expires."""

    key: str
    secret: str
    token: str = ""


def signed(method: str, url: str, keys: Keys, *, region: str, now: datetime.datetime) -> dict[str, str]:
    """Return the headers of a signed request. `url`: percent-encoded as in the request."""
    parts, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": EMPTY, "x-amz-date": moment}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(headers)  # in order
    lines = [f"{name}:{text}" for name, text in headers.items()]
    query = "&".join(sorted(parts.query.split("&")))
    request = "\n".join([method, parts.path or "/", query, *lines, "", names, EMPTY])
    scope = (moment[:8], region, "s3", "aws4_request")
    text = "\n".join(["AWS4-HMAC-SHA256", moment, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()])
    secret = f"AWS4{keys.secret}".encode()
    for part in scope:
        secret = hmac.digest(secret, part.encode(), "sha256")
    signature = hmac.digest(secret, text.encode(), "sha256").hex()
    credential = f"Credential={keys.key}/{'/'.join(scope)}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
