"""Signatures of requests to S3, version 4, of requests without a body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import datetime
import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import urlsplit

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
