"""Send requests to checked addresses, within limits of time and size.

Each host is looked up once for a connection, and the connection goes to an address of that answer: a second look-up
could answer differently. TLS still verifies the name of the host.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import cache
from ipaddress import ip_address

import httpx
from django.utils.translation import gettext

from labeling.outside.outbound.checking import PORTS, check_addresses, check_redirect

Response = httpx.Response

CONNECT_SECONDS = 4.0
"""The longest time to connect to one address of a host: an address that is silent leaves time for the next."""
SILENT_SECONDS = 15.0
"""The longest time from a request to the headers of its answer, and from one part of a body to the next."""
LEAST_BYTES, PACE_SECONDS = 16_384, 30.0
"""The least bytes a second of a body, each time that it was waited for as long."""


class Failed(Exception):
    """No answer came, or not the whole; the message says why. A later try may succeed."""


class Late(Failed):
    """The time for the whole answer is over."""


class TooLong(Exception):
    """A body has more bytes than the caller takes."""


@asynccontextmanager
async def send(
    method: str,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    form: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    silence: float = SILENT_SECONDS,
    redirects: int = 0,
) -> AsyncIterator[httpx.Response]:
    """Send a request, and yield the answer with its body unread. The block ends within `seconds`.

    Bodies are not decompressed: `aiter_raw` and `body_of` return what was sent. Follows as many redirects, and without
    the header `Authorization` if one leads to another host. Raises `Refused`, and `Failed`, also while the block reads.
    """
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(transport=_Checked(), timeout=silence, trust_env=False) as client,
        ):
            request = client.build_request(
                method, url, headers={"accept-encoding": "identity", **(headers or {})}, content=content, data=form
            )
            answer = await _answer(client, request, auth, redirects)
            try:
                yield answer
            finally:
                await answer.aclose()
    except TimeoutError:
        raise Late(f"no complete answer within {seconds:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Failed(str(error).rstrip(".") or type(error).__name__) from error


async def _answer(
    client: httpx.AsyncClient, request: httpx.Request, auth: tuple[str, str] | None, redirects: int
) -> httpx.Response:
    answer = await client.send(request, stream=True, auth=auth)
    for _ in range(redirects):
        if answer.next_request is None:
            break
        await answer.aclose()
        check_redirect(request.url, answer.next_request.url)
        request = answer.next_request
        answer = await client.send(request, stream=True, auth=None)
    return answer


async def body_of(answer: httpx.Response, most: int) -> bytes:
    """Return the body, of at most `most` bytes. Raises `TooLong`."""
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > most:
            raise TooLong
    return bytes(body)


class _Checked(httpx.AsyncHTTPTransport):
    """Sends requests to addresses that `_resolve` returns, and bounds the time until and between the parts of answers.
    A client with this transport uses no proxy.
    """

    def __init__(self) -> None:
        # A kept connection could serve another host of the same address, whose name TLS would not verify.
        super().__init__(verify=_certificates(), limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        silence = request.extensions["timeout"]["read"]
        try:
            async with asyncio.timeout(silence):
                answer = await self._connected(request)
        except TimeoutError:  # headers that come byte by byte, or many silent addresses
            raise httpx.ReadTimeout(f"no answer within {silence:g} seconds") from None
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        answer.stream = _Paced(answer.stream, silence)
        return answer

    async def _connected(self, request: httpx.Request) -> httpx.Response:
        *others, last = await _resolve(request.url)
        for address in others:
            try:
                return await super().handle_async_request(_sent_to(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # an IPv6 address, for example, on a host without IPv6
        return await super().handle_async_request(_sent_to(last, request))


class _Paced(httpx.AsyncByteStream):
    """A body that must come at `LEAST_BYTES` a second, or end. The time that its reader takes does not count, nor that
    until its first part.
    """

    def __init__(self, stream: httpx.AsyncByteStream, silence: float) -> None:
        self._stream, self._silence = stream, silence

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._stream)
        size, waited, has_begun = 0, 0.0, False
        while True:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(self._silence):  # also where bytes come, and never a part
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx.ReadTimeout(f"nothing more within {self._silence:g} seconds") from None
            size, waited = size + len(part), waited + (time.monotonic() - begun if has_begun else 0.0)
            has_begun = True
            if waited >= PACE_SECONDS:
                if size < LEAST_BYTES * waited:
                    raise httpx.ReadTimeout(f"less than {LEAST_BYTES:,} bytes a second")
                size, waited = 0, 0.0
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _resolve(url: httpx.URL) -> list[str]:
    """Return the addresses of the URL's host. Raises `Refused` if one of them may not be requested, and
    `httpx.ConnectError` if there is none.
    """
    host = url.raw_host.decode("ascii")
    found = await asyncio.wrap_future(_looked_up(host, url.port or PORTS.get(url.scheme)))
    if not found:
        raise httpx.ConnectError(gettext("No IP address was found for %(host)s.") % {"host": host})
    check_addresses(url, [ip_address(each) for each in found])
    return found


def _looked_up(host: str, port: int | None) -> Future[list[str]]:
    """Look the host up, in a thread that nothing waits for: a look-up cannot be stopped. Threads of `asyncio.to_thread`
    delay the end of the event loop, and all threads of a pool that of the process.
    """
    found = Future[list[str]]()
    found.set_running_or_notify_cancel()  # so that the thread can set the result after a time limit

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            rows = []
        found.set_result(list(dict.fromkeys(str(row[4][0]) for row in rows)))

    threading.Thread(target=look_up, daemon=True).start()
    return found


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, which take tens of milliseconds to read."""
    return httpx.create_ssl_context()


def _sent_to(address: str, request: httpx.Request) -> httpx.Request:
    """Return the request with this address in place of its host. The header `Host` and the name for TLS stay."""
    limits = request.extensions["timeout"]
    connect = min(limits["connect"] or CONNECT_SECONDS, CONNECT_SECONDS)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={
            **request.extensions,
            "sni_hostname": request.url.raw_host.decode("ascii"),
            "timeout": {**limits, "connect": connect},
        },
    )
