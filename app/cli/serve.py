"""``nominal serve``: the service on one address, one process, with its build worker beside it."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import socket
import ssl
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI

from app.cli import app, imports_only
from app.cli.console import notice
from app.errors import StartRefused
from app.http.auth import is_loopback
from app.http.connections import limits_of
from app.http.protocol import guarded
from app.inspection.backbones import open_backbone
from app.lifecycle import Service
from app.main import create_app
from app.ops import logs
from app.ops.process import leave, own_cores
from app.settings import Settings, load_settings
from app.store.store import open_store

SEEN_SECONDS = 1.0  # that a draining server still answers 503 at /readyz, so that balancers see it
SWITCH_SECONDS = 0.001  # after which a thread lets another run: inference must not wait for many requests
TICKS_A_LOOK = 20  # at the certificate's files, of a tenth of a second each
log = logging.getLogger(__name__)
CUT_SECONDS = 2  # after which connections that still talk are cut, once draining is over


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address (default: NOMINAL_HOST).")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port (default: NOMINAL_PORT).")] = None,
    worker: Annotated[bool, typer.Option(help="Run builds beside this server.")] = True,
    runtime: Annotated[str | None, typer.Option("--runtime", help="Instead of NOMINAL_RUNTIME.")] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="Instead of NOMINAL_PRECISION.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Instead of NOMINAL_THREADS.")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Instead of NOMINAL_TLS_CERT.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Instead of NOMINAL_TLS_KEY.")] = None,
    watch: Annotated[
        list[str] | None,
        typer.Option(
            "--watch",
            metavar="FOLDER=BANK",
            help="Inspect the images of a folder by a bank; may be repeated. Instead of NOMINAL_WATCH.",
        ),
    ] = None,
    after: Annotated[
        str, typer.Option("--watch-after", help="Then: keep files, answer beside them, or move them.")
    ] = "keep",
) -> None:
    """Serve over HTTP. Settings come from NOMINAL_* variables (docs/operations.md)."""
    named: dict[str, Any] = {
        "host": host,
        "port": port,
        "runtime": runtime,
        "precision": precision,
        "threads": threads,
    }
    named |= {"tls_cert": tls_cert, "tls_key": tls_key}
    named |= {"watch": [watched(each, after) for each in watch] if watch else None}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    settings = load_settings(None, **given)
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = settings.model_copy(update={"threads": own_cores(settings.threads)})
    logs.configure(settings.log_level, as_json=settings.log_json)
    certificate = None if settings.tls_cert is None else Certificate(settings.tls_cert, settings.tls_key)
    notice("Opening the store and loading the backbone ...")
    preflight(settings)
    backbone = open_backbone(settings)
    if backbone.notice:
        notice(backbone.notice)
    listening = listen(settings)
    with listening:
        with imports_only():  # of the console
            application = create_app(settings, backbone, worker)
            gc.freeze()  # what was imported is never looked at again
        server = Server(config_of(settings, application), certificate)
        server.run([listening])
    leave(0 if server.started else 1)


def watched(text: str, after: str) -> dict[str, str]:
    """A folder of NOMINAL_WATCH, from FOLDER=BANK. Raises ``typer.BadParameter``."""
    folder, separator, bank = text.rpartition("=")
    if not separator or not folder:
        raise typer.BadParameter(f"must be FOLDER=BANK, such as /nas/line1=caps; received {text}")
    return {"folder": str(Path(folder).absolute()), "bank": bank, "after": after}


def preflight(settings: Settings) -> None:
    """Open the store once, so that what is wrong with it is said plainly.

    Raises ``StartRefused`` where others than this machine could call without a key, StoreError.
    """
    with open_store(settings) as store:
        if settings.keys_file is not None:
            store.keys.admit_file(settings.keys_file, actor="keys_file")
        others = store.keys.any_valid() or settings.oidc_issuer is not None
        if not is_loopback(settings.host) and not others:
            raise StartRefused(
                requirement="an address that others reach needs at least one valid API key",
                received=f"{settings.host} and no key",
                remedy="Run 'nominal keys create', set NOMINAL_KEYS_FILE, or listen on 127.0.0.1.",
            )
        if store.keys.needed() and not store.keys.any_valid():
            notice("No key is valid: all requests are refused until 'nominal keys create' makes one.")


def listen(settings: Settings) -> socket.socket:
    """The bound socket. Raises ``StartRefused`` with the system's reason."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise StartRefused(
            requirement="the address and port must be free, and this machine's",
            received=f"{settings.host} port {settings.port}: {error.strerror or error}",
            remedy="Stop what listens there, or choose another with --host and --port; port 0 takes a free one.",
        ) from None
    host, port = bound.getsockname()[:2]
    scheme = "http" if settings.tls_cert is None else "https"
    notice(f"Listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    return bound


def config_of(settings: Settings, application: FastAPI) -> uvicorn.Config:
    """One process; uvloop where it is installed."""
    limits = limits_of(settings)
    return uvicorn.Config(
        application,
        http=guarded(limits),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # app/http/proxy.py reads them
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        timeout_graceful_shutdown=CUT_SECONDS,
    )


class Certificate:
    """The files to serve HTTPS with; read again when one of them changes, as whoever renews a certificate does."""

    def __init__(self, chain: Path, key: Path | None) -> None:
        """Raises ``StartRefused`` for files that cannot be used."""
        self._chain, self._key = chain, key
        try:
            self._loaded = self._stamp()
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except OSError as error:  # of which ssl.SSLError is one
            raise StartRefused(
                requirement="the certificate and its key must be PEM files that belong together, without a password",
                received=f"{chain} and {key or 'no other file'}: {error.strerror or error}",
                remedy="Correct --tls-cert and --tls-key (NOMINAL_TLS_CERT, NOMINAL_TLS_KEY).",
            ) from None

    def renew(self, context: ssl.SSLContext) -> None:
        """Have ``context`` use the files for new connections, if they changed; what cannot be used is logged."""
        try:
            if (stamp := self._stamp()) == self._loaded:
                return
            self._loaded = stamp
            self._load(
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            )  # a half-written pair must not spoil the good one
            self._load(context)
        except OSError as error:
            log.error("the changed certificate cannot be used; the one before stays: %s", error)
        else:
            log.info("the certificate was read again")

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._chain, self._key, password=lambda: "")

    def _stamp(self) -> list[tuple[int, int]]:
        files = [path.stat() for path in (self._chain, self._key) if path is not None]
        return [(file.st_mtime_ns, file.st_ino) for file in files]


class Server(uvicorn.Server):
    """Drains before it closes its socket: from the first signal on it is unready and begins nothing new."""

    _draining: asyncio.Future[tuple[None, bool]] | None = None

    def __init__(self, config: uvicorn.Config, certificate: Certificate | None = None) -> None:
        super().__init__(config)
        self._certificate = certificate

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._certificate is not None and counter % TICKS_A_LOOK == 0 and self.config.ssl is not None:
            self._certificate.renew(self.config.ssl)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second leaves at once."""
        service = getattr(self.config.app.state, "service", None)  # type: ignore[union-attr]  # a FastAPI
        if service is None or service.life.draining:
            self.should_exit = self.force_exit = True
            return
        service.life.begin_drain()
        service.life.loop.call_soon_threadsafe(self._begin_drain, service)

    def _begin_drain(self, service: Service) -> None:
        seen = asyncio.sleep(SEEN_SECONDS)
        answered = service.observed.metrics.in_flight.wait_until_none(service.life.seconds_to_drain() / 2)
        draining = self._draining = asyncio.gather(seen, answered)
        draining.add_done_callback(lambda done: setattr(self, "should_exit", True))
