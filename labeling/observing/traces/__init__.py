"""Spans for OpenTelemetry: the times of requests, of jobs and of their parts.

Before `start`, nothing is recorded and the library is not loaded. Names and attributes of spans contain words of the
code, numbers and ids, never a path, person, item or answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeling.observing.traces.recorder import Recorder

Attributes = Mapping[str, str | int | float]


class Missing(Exception):
    """The libraries for traces are not installed; the message says how to install them."""


class Span:
    """A span that records nothing; the base class of recorded spans."""

    recorded = False

    def tell(self, attributes: Attributes) -> None:
        """Add attributes to the span."""

    def rename(self, name: str) -> None:
        """Rename the span, for names that are known only later."""

    def fail(self, kind: str) -> None:
        """Mark the span's request or job as failed."""

    def part(self, name: str) -> None:
        """Begin a part of the span and end the part before it. The last part ends with the span."""


NO_SPAN = Span()


_recorder: Recorder | None = None


def load() -> Callable[[str], Recorder]:
    """Load the libraries, and return the function that starts the recorder of a service. Raises `Missing`."""
    try:
        from labeling.observing.traces.recorder import Recorder  # an extra
    except ModuleNotFoundError as error:
        raise Missing(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but what sends traces is not installed ({error}). Install it with: "
            "scripts/setup.sh requirements-traces.txt"
        ) from error
    return Recorder


def start(service: str) -> None:
    """Start to record spans, and to send them from a thread. Call it in the serving process, after a fork.

    `service` names this program in traces, unless OTEL_SERVICE_NAME does. Raises `Missing`.
    """
    global _recorder
    _recorder = load()(service)


def request(name: str, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """Return a span for a request, in the trace of its headers `traceparent` and `tracestate`, or in a new trace."""
    return _recorder.request(name, headers) if _recorder else nullcontext(NO_SPAN)


def job(name: str) -> AbstractContextManager[Span]:
    """Return a span for a job, in a new trace."""
    return _recorder.job(name) if _recorder else nullcontext(NO_SPAN)


def beside(name: str) -> AbstractContextManager[Span]:
    """Return a span for work in another process, done for the current request or job."""
    return _recorder.beside(name) if _recorder else nullcontext(NO_SPAN)


def ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the current request or job, in hexadecimal digits; empty without a recorded
    span.
    """
    return _recorder.ids() if _recorder else {}


def finish() -> None:
    """Send the remaining spans, for a few seconds at most. For processes that end without Python's exit handlers."""
    if _recorder:
        _recorder.finish()
