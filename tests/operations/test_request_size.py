"""Test how much of a request the web server collects before a thread takes the request."""

import pytest

from config.web_connection import AS_IT_COMES, HEAD_BYTES, WHOLE_BYTES, request_size

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


END = b"\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "size"),
    [
        # A head is collected until its end, but not without end, which is left to the parser.
        *((head, None) for head in (b"", b"GET", GET, GET + b"Content-Length: 3\r\n", b"GET / HTTP/1.1\n\n")),
        (GET + b"x" * HEAD_BYTES, AS_IT_COMES),
        (GET + b"\r\nGET /next", len(GET) + 2),
        (GET + b"\r\n" + b"\r\nContent-Length: 7" + END, len(GET) + 2),
        (GET + b"Content-Length: 5" + END, len(GET) + 26),
        (GET + b"content-length:5" + END, len(GET) + 25),
        (GET + b"CONTENT-LENGTH: 5 " + END, len(GET) + 27),
        # Large bodies, and those of unknown length, are read as they come.
        (GET + b"Content-Length: %d" % WHOLE_BYTES + END, AS_IT_COMES),
        (GET + b"Content-Length: 99999999999999999999" + END, AS_IT_COMES),
        (GET + b"Content-Length: +5" + END, AS_IT_COMES),
        (GET + b"Content-Length: 5\r\nContent-Length: 6" + END, AS_IT_COMES),
        (GET + b"Transfer-Encoding: chunked" + END, AS_IT_COMES),
        (GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked" + END, AS_IT_COMES),
        (GET + b"Content-Length: 5\r\nExpect: 100-continue" + END, AS_IT_COMES),
    ],
    ids=range(18),
)
def test_how_much_of_a_request_is_collected(received: bytes, size: int | None) -> None:
    assert request_size(received) == size
