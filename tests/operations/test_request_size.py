"""Test how much of a request the web server collects before a thread takes the request."""

import pytest

from config.web_connection import AS_IT_COMES, HEAD_BYTES, WHOLE_BYTES, request_size

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("received", [b"", b"GET", GET, GET + b"Content-Length: 3\r\n", b"GET / HTTP/1.1\n\n"])
def test_a_head_is_collected_until_its_end(received: bytes) -> None:
    assert request_size(received) is None


def test_a_request_without_a_body_ends_with_its_head() -> None:
    assert request_size(GET + b"\r\nGET /next") == len(GET) + 2


@pytest.mark.parametrize("header", [b"Content-Length: 5", b"content-length:5", b"CONTENT-LENGTH: 5 "])
def test_a_body_is_collected_by_its_length(header: bytes) -> None:
    head = GET + header + b"\r\n\r\n"
    assert request_size(head) == len(head) + 5


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: %d" % WHOLE_BYTES,
        b"Content-Length: 99999999999999999999",
        b"Content-Length: +5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nExpect: 100-continue",
    ],
)
def test_a_large_body_and_one_of_unknown_length_are_read_as_they_come(headers: bytes) -> None:
    assert request_size(GET + headers + b"\r\n\r\n") == AS_IT_COMES


def test_a_head_without_end_is_left_to_the_parser() -> None:
    assert request_size(GET + b"x" * HEAD_BYTES) == AS_IT_COMES


def test_a_length_within_the_body_is_no_header() -> None:
    head = GET + b"\r\n"
    assert request_size(head + b"\r\nContent-Length: 7\r\n\r\n") == len(head)
