"""Spans of requests and jobs for OpenTelemetry, where there is somewhere to send them; else nothing of it is imported.

What a span tells is what a line of the log tells: never what was sent.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import version
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SEND_TIMEOUT_S = 3.0  # for what is left at the end, too: a collector that is away must not hold up a stop
PARENTS = (b"traceparent", b"tracestate")

CURRENT: ContextVar["Trace | None"] = ContextVar("trace", default=None)


def span(name: str) -> AbstractContextManager[None]:
    """A part of what the request or job that is being served takes."""
    trace = CURRENT.get()
    return nullcontext() if trace is None else trace.timed(name)


class MissingExtra(Exception):
    """OpenTelemetry is not installed."""


class Trace:
    """The span of one request or job, and what is recorded under it; moments are in time.monotonic() seconds."""

    def __init__(self, tracer: "Tracer", whole: "Span") -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._whole = whole
        self._context = set_span_in_context(whole)

    def record(self, name: str, began: float, ended: float, **attributes: Any) -> None:
        """Tell of a part that is over."""
        part = self._tracer.start_span(name, self._context, attributes=attributes, start_time=_epoch_ns(began))
        part.end(_epoch_ns(ended))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Tell of the block as a part."""
        began = monotonic()
        try:
            yield
        except BaseException as error:
            self.record(name, began, monotonic(), **{"error.type": type(error).__qualname__})
            raise
        self.record(name, began, monotonic())

    def end(self, name: str, about: Mapping[str, Any], *, has_failed: bool, **attributes: Any) -> None:
        """The request or job is over, and this is what it was about."""
        from opentelemetry.trace import StatusCode

        self._whole.update_name(name)
        self._whole.set_attributes({f"kshot.{fact}": value for fact, value in about.items()} | attributes)
        if has_failed:
            self._whole.set_status(StatusCode.ERROR)
        self._whole.end()

    def record_batch(self, name: str, others: Iterable["Trace"], began: float, **attributes: Any) -> None:
        """Tell of a batch that is over, which was computed for this one and others: a trace of its own, with links."""
        from opentelemetry.context import Context
        from opentelemetry.trace import Link

        links = [Link(each._whole.get_span_context()) for each in others]
        batch = self._tracer.start_span(
            name, Context(), attributes=attributes, links=links, start_time=_epoch_ns(began)
        )
        batch.end()


class Tracing:
    """Where traces begin, and where they are sent: to an OTLP endpoint over HTTP, or nowhere."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._tracer: Tracer | None = None
        if endpoint is not None:
            try:  # told before anything starts
                import opentelemetry.exporter.otlp.proto.http.trace_exporter
                import opentelemetry.sdk.trace  # noqa: F401
            except ModuleNotFoundError as error:
                raise MissingExtra(f"Traces need the extra [otel]: pip install 'kshot[otel]' ({error}).") from None

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Traces that begin inside the block are sent; what is left of them at its end, if that can be done soon."""
        if self._endpoint is None:
            yield
            return
        provider = _provider(self._endpoint)
        self._tracer = provider.get_tracer("kshot", version("kshot"))
        try:
            yield
        finally:
            self._tracer = None
            last = threading.Thread(target=provider.shutdown, name="kshot-traces", daemon=True)
            last.start()
            await asyncio.to_thread(last.join, SEND_TIMEOUT_S)

    def begin(self, name: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Trace | None:
        """A trace that begins here, or goes on from what W3C's headers say; none where it is not kept."""
        if self._tracer is None:
            return None
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        given = {key.decode(): value.decode("latin-1") for key, value in headers if key in PARENTS}
        context = TraceContextTextMapPropagator().extract(given, Context())
        whole = self._tracer.start_span(name, context, SpanKind.SERVER)
        return Trace(self._tracer, whole) if whole.is_recording() else None


def _provider(endpoint: str) -> "TracerProvider":
    """Sampling, limits and headers are as OpenTelemetry's own variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": "kshot", "service.version": version("kshot")})
    provider = TracerProvider(resource=named.merge(Resource.create()), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _epoch_ns(moment: float) -> int:
    return time_ns() - int(1e9 * (monotonic() - moment))
