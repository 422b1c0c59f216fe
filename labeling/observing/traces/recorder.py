"""Records spans and sends them to a collector by OTLP over HTTP. Only this module loads OpenTelemetry.

The library reads its own settings from the variables `OTEL_…`.
"""

import atexit
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from labeling.observing.traces import Attributes, Span

# How long a process that ends waits for a collector to take its last spans.
LAST_SECONDS = 3.0


class RecordedSpan(Span):
    """A span of OpenTelemetry, with its current part."""

    recorded = True

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._part: trace.Span | None = None
        self._part_name = ""

    def tell(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(trace.StatusCode.ERROR)

    def part(self, name: str) -> None:
        if name != self._part_name:
            self.end_part()
            self._part = self._tracer.start_span(name, trace.set_span_in_context(self._span))
            self._part_name = name

    def end_part(self) -> None:
        if self._part is not None:
            self._part.end()


class Recorder:
    """Records spans and sends them from a thread, so that the code that makes spans never waits for the collector.

    If the queue is full (OTEL_BSP_MAX_QUEUE_SIZE), spans are dropped. The library's global state is left unchanged,
    because other code in this process may also record spans.
    """

    def __init__(self, service: str) -> None:
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = provider.get_tracer("marginalia")
        self._headers = TraceContextTextMapPropagator()
        self.finish = _end_with_the_process(provider)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        context = self._headers.extract(headers)
        with self._present(self._tracer.start_span(name, context, kind=trace.SpanKind.SERVER)) as span:
            yield span

    @contextmanager
    def job(self, name: str) -> Iterator[Span]:
        with self._present(self._tracer.start_span(name, kind=trace.SpanKind.CONSUMER)) as span:
            yield span

    @contextmanager
    def beside(self, name: str) -> Iterator[Span]:
        # Never the present one: it may end in the middle of another, as generators do.
        span = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT)
        try:
            yield RecordedSpan(self._tracer, span)
        finally:
            span.end()

    def ids(self) -> dict[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    @contextmanager
    def _present(self, span: trace.Span) -> Iterator[Span]:
        """Make the span the current span of this thread. Exceptions are not recorded, because their texts may quote any
        data.
        """
        recorded = RecordedSpan(self._tracer, span)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield recorded
            finally:
                recorded.end_part()


def _end_with_the_process(provider: TracerProvider) -> Callable[[], None]:
    """Register an exit handler that sends the remaining spans within LAST_SECONDS; the library would wait for 30
    seconds.

    Returns the handler. Its thread starts here, because an exiting process cannot start threads.
    """
    ending, ended = threading.Event(), threading.Event()

    def send_the_rest() -> None:
        ending.wait()
        provider.shutdown()
        ended.set()

    def wait_a_little() -> None:
        ending.set()
        ended.wait(LAST_SECONDS)

    threading.Thread(target=send_the_rest, name="last-spans", daemon=True).start()
    return atexit.register(wait_a_little)
