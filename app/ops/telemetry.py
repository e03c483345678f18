"""Traces by OpenTelemetry, when an OTLP endpoint is set; FastAPI makes the spans, this sends them.

Neither bodies, headers nor logs leave the service this way. Health and metrics requests are not traced.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi.telemetry import TelemetryConfig

from app import __version__
from app.errors import TelemetryUnavailable

UNTRACED = frozenset({"/livez", "/readyz", "/health", "/metrics"})


@dataclass(frozen=True)
class Telemetry:
    """``config`` goes to ``FastAPI(telemetry=...)``; ``close`` sends what is left, and may take seconds."""

    config: TelemetryConfig
    close: Callable[[], None]


def telemetry(endpoint: str | None) -> Telemetry:
    """Traces to the OTLP/HTTP ``endpoint`` (``http://collector:4318``); None for no traces.

    Raises ``TelemetryUnavailable`` when the optional packages are not installed.
    """
    off: TelemetryConfig = {"metrics": False, "logs": False, "auto_configure": False, "exclude": _untraced}
    if endpoint is None:
        return Telemetry({**off, "tracing": False, "operation_spans": False}, lambda: None)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TelemetryUnavailable(
            requirement="traces need the OpenTelemetry packages",
            received=f"an endpoint for traces, and no {error.name}",
            remedy="Install nominal-inspection[telemetry], or unset NOMINAL_OTEL_ENDPOINT.",
        ) from None
    resource = Resource.create({"service.name": "nominal", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=_traces_url(endpoint))))
    return Telemetry({**off, "tracer_provider": provider}, provider.shutdown)


def _traces_url(endpoint: str) -> str:
    """OTLP's own path, unless the endpoint has one."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + "/v1/traces"


def _untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in UNTRACED
