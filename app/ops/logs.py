"""Logs as JSON lines with a request id, from the standard library's ``logging``; the access log among them.

No header, query string or body is ever logged. What reads like a key, token or password in a message is masked all
the same, because messages of other libraries pass through here.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import urlsplit

from fastapi.telemetry import TelemetryConfig

from app import __version__
from app.errors import TelemetryUnavailable

KEPT = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
SECRET_NAMES = re.compile(r"(?i)authorization|cookie|password|secret|token|api_?key")
SECRETS = (
    (re.compile(r"(nominal_[0-9a-f]{12}_)[A-Za-z0-9_-]+"), r"\1***"),  # API keys; the id may be seen
    (re.compile(r"(?i)(bearer\s+)[^\s\"',]+"), r"\1***"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),  # a URL's password
)

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def configure(level: str = "info", *, as_json: bool | None = None, stream: TextIO | None = None) -> None:
    """Sends every logger's records of ``level`` and above to ``stream`` (stderr), one line each.

    as_json: None for JSON unless ``stream`` is a terminal, where people read.

    Start uvicorn with ``log_config=None, access_log=False``: its own records then come here, and requests are logged
    by ``app.http.middleware``.
    """
    stream = stream or sys.stderr
    as_json = not stream.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    quiet = (
        "httpx",
        "httpcore",
        "httpx2",
        "httpcore2",
        "botocore",
        "aiobotocore",
        "s3fs",
        "python_multipart",
        "alembic.runtime.migration",  # it reports its dialect whenever it is asked for the revision
    )
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, RFC 3339), level, logger, message, request_id, extras, exception."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields(record), default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The same for people: ``time level logger: message key=value``; control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        said = fields(record)
        head = f"{said.pop('time')} {said.pop('level'):7} {said.pop('logger')}: {_printable(said.pop('message'))}"
        trace = said.pop("exception", None)
        line = " ".join([head, *(f"{name}={_printable(str(value))}" for name, value in said.items())])
        return f"{line}\n{trace}" if trace else line


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says, secrets masked."""
    said: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": mask(record.getMessage()),
    }
    if (current := request_id.get()) is not None:
        said["request_id"] = current
    for name, value in vars(record).items():
        if name not in KEPT and not name.startswith("_"):  # libraries put their own notes on every record
            said[name] = "***" if SECRET_NAMES.search(name) else _plain(value)
    if record.exc_info and record.exc_info[0] is not None:
        said["exception"] = mask(logging.Formatter().formatException(record.exc_info))
    return said


def mask(text: str) -> str:
    """``text`` without API keys, bearer tokens and passwords in URLs."""
    for pattern, mark in SECRETS:
        text = pattern.sub(mark, text)
    return text


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool | None) else mask(str(value))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
