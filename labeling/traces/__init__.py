"""Spans for OpenTelemetry: what a request or a job took, and its parts. Before `start`, none is recorded and nothing of
the library is loaded.

Names and attributes of spans are words of the code, numbers and ids: never a path, a person, an item or an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

Attributes = Mapping[str, str | int | float]


class Missing(Exception):
    """The libraries are not installed; the message says how to."""


class Span:
    """Stands for a span where none is recorded."""

    recorded = False

    def tell(self, attributes: Attributes) -> None:
        """Add attributes to the span."""

    def rename(self, name: str) -> None:
        """Name the span by what is known only later."""

    def fail(self, kind: str) -> None:
        """Mark what the span stands for as failed."""

    def part(self, name: str) -> None:
        """Begin a part, which ends the part before it. The last one ends with the span."""


NO_SPAN = Span()


class Spans:
    """Records nothing."""

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        yield NO_SPAN

    @contextmanager
    def job(self, name: str) -> Iterator[Span]:
        yield NO_SPAN

    @contextmanager
    def beside(self, name: str) -> Iterator[Span]:
        yield NO_SPAN

    def ids(self) -> dict[str, str]:
        return {}

    def finish(self) -> None:
        """Send what is left, for a few seconds at most."""


_spans = Spans()


def load() -> Callable[[str], Spans]:
    """Load the libraries; what is returned starts to record for a service. Raises `Missing`."""
    try:
        from labeling.traces.recorder import Recorder  # an extra
    except ModuleNotFoundError as error:
        raise Missing(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but what sends traces is not installed ({error}). Install it with: "
            "scripts/setup.sh requirements-traces.txt"
        ) from error
    return Recorder


def start(service: str) -> None:
    """Record spans from now on, and send them from a thread: to be called in the process that serves, after a fork.

    `service` names this program in traces, unless OTEL_SERVICE_NAME does. Raises `Missing`.
    """
    global _spans
    _spans = load()(service)


def request(name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """A span for a request, in the trace that its headers `traceparent` and `tracestate` name, or in one of its own."""
    return _spans.request(name, headers)


def job(name: str) -> AbstractContextManager[Span]:
    """A span for a job, which is a trace of its own."""
    return _spans.job(name)


def beside(name: str) -> AbstractContextManager[Span]:
    """A span for what is done for the present request or job elsewhere, while it goes on with other things."""
    return _spans.beside(name)


def ids() -> dict[str, str]:
    """`trace_id` and `span_id` of the present request or job, as hexadecimal digits; nothing where none is recorded."""
    return _spans.ids()


def finish() -> None:
    """Send what is left, for a few seconds at most. For processes that end without Python's own end."""
    _spans.finish()
