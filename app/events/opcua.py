"""OPC UA: a server that shows each bank's last result, and sends an event of each (``opcua_space.py``).

Clients connect with a signed and encrypted channel, unless the sink says otherwise, and sign in by name and password.
An event counts as delivered once its values are written and its event is queued for the clients that have subscribed;
where none has, only the values are left. asyncua, of the extra ``opcua``, speaks the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from app.errors import AppError, SinkKindUnavailable, SinkUnreachable
from app.events import Event, Host, Target
from app.events.certificates import Certificate
from app.events.hosting import Hosting, Listening, cannot_listen, check_free
from app.store.schema import SinkSecret

if TYPE_CHECKING:
    from asyncua import Server

    from app.events.opcua_space import Space

BEAT_SECONDS = 1.0
LOOK_BEATS = 5  # beats between two looks at which banks can decide
Security = Literal["encrypt", "sign", "none"]


class OpcUaTarget(Target):
    """An address to listen on, and who may connect."""

    kind: Literal["opcua"]
    address: Listening = "127.0.0.1"
    port: int = Field(4840, ge=1, le=65535)
    security: Security = Field(
        "encrypt",
        description="Of the channel: Basic256Sha256 with signature and encryption, with signature, or none.",
    )
    clients: Certificate | None = Field(
        None,
        description="Client certificates, or authorities of them, to let in, PEM; any client's when null.",
    )
    username: str | None = Field(None, max_length=255, description="The password is a secret of the sink.")
    anonymous: bool = Field(False, description="Whether clients may connect without name and password.")

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if self.username is None and not self.anonymous:
            raise ValueError("must have a username, or say that clients may be anonymous")
        if self.security == "none" and self.clients is not None:
            raise ValueError("clients need certificates only with the security sign or encrypt")
        return self


class OpcUa:
    """The server of a sink."""

    def __init__(self, target: OpcUaTarget, passwords: Sequence[SinkSecret], name: str, host: Host) -> None:
        self._target, self._name, self._host = target, name, host
        self._password = passwords[0].text if passwords else None
        self._hosting: Hosting | None = None
        self._server: Server | None = None
        self._space: Space | None = None
        self.lost: str | None = None

    async def open(self) -> None:
        """Listens. Raises SinkCannotListen, SinkKindUnavailable, SinkUnreachable where its password is missing."""
        self.lost = None
        if self._target.username is not None and not self._password:
            raise SinkUnreachable(
                requirement="an OPC UA sink with a user name needs a password",
                received="none: a backup holds no secrets",
                remedy="Give the sink its password again.",
            )
        check_free(self._target.address, self._target.port)
        self._hosting = Hosting("opcua")
        await self._hosting.run(self._listen())

    async def send(self, event: Event) -> None:
        """Raises EventRefused."""
        assert self._hosting is not None
        await self._hosting.run(self._take(event))

    async def close(self) -> None:
        """Ends its connections."""
        hosting, self._hosting = self._hosting, None
        if hosting is not None:
            with contextlib.suppress(Exception):
                await hosting.run(self._end())
            await hosting.end()

    # On the server's loop

    async def _listen(self) -> None:
        try:
            from app.events.opcua_server import server_of
            from app.events.opcua_space import Space
        except ImportError as error:
            raise SinkKindUnavailable(
                requirement="an OPC UA sink needs the package asyncua",
                received="an installation without it",
                remedy="Install it: pip install 'nominal-inspection[opcua]', and start the server again.",
            ) from error
        folder = self._host.settings.data_dir / "opcua" / self._name
        server = await server_of(self._target, self._password, self._name, folder)
        self._space = Space(server)
        await self._space.build()
        try:
            await server.start()
        except OSError as error:
            raise cannot_listen(self._target.address, self._target.port, error) from error
        self._server = server
        self._task = asyncio.create_task(self._beat(self._space))
        self._task.add_done_callback(self._ended)

    async def _take(self, event: Event) -> None:
        assert self._space is not None
        if event.kind == "decided":
            await self._space.show(event)
        elif event.kind == "sample":
            await self._space.sample(event)
        else:
            await self._space.tell(event)

    async def _beat(self, space: Space) -> None:
        """The counter moves while this server inspects, and stops when it does not."""
        beat = looked = 0
        while True:
            banks = await self._banks() if looked % LOOK_BEATS == 0 else None
            looked += 1
            healthy = self._host.healthy()
            beat = (beat + healthy) % 2**32
            await space.state(healthy, beat, banks)
            await asyncio.sleep(BEAT_SECONDS)

    async def _banks(self) -> dict[str, bool]:
        with contextlib.suppress(AppError):
            return {**await asyncio.get_running_loop().run_in_executor(None, self._host.banks)}
        return {}

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.lost = f"its heartbeat ended: {task.exception()}"

    async def _end(self) -> None:
        if self._server is not None:
            self._task.cancel()
            await self._server.stop()


def opcua(target: OpcUaTarget, secrets: Sequence[SinkSecret], name: str, host: Host, _sample: bool) -> OpcUa:
    """As ``kinds.py`` makes it."""
    return OpcUa(target, secrets, name, host)
