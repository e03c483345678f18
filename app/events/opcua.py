"""OPC UA: a server that shows each bank's last result, and sends an event of each (``opcua_space.py``).

Clients connect with a signed and encrypted channel, unless the sink says otherwise, and sign in by name and password.
An event counts as delivered once its values are written and its event is queued for the clients that have subscribed;
where none has, only the values are left. asyncua, of the extra ``opcua``, speaks the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from app.errors import SinkKindUnavailable, SinkUnreachable
from app.events import Event, Host, Target
from app.events.certificates import Certificate
from app.events.hosting import HostedServer, Listening
from app.store.schema import SinkSecret

if TYPE_CHECKING:
    from asyncua import Server

    from app.events.opcua_space import Space

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


class OpcUa(HostedServer):
    """The server of a sink."""

    def __init__(self, target: OpcUaTarget, passwords: Sequence[SinkSecret], name: str, host: Host) -> None:
        super().__init__(target.address, target.port, host)
        self._target, self._name = target, name
        self._password = passwords[0].text if passwords else None
        self._server: Server | None = None
        self._space: Space | None = None

    async def open(self) -> None:
        """Listens. Raises SinkCannotListen, SinkKindUnavailable, SinkUnreachable where its password is missing."""
        if self._target.username is not None and not self._password:
            raise SinkUnreachable(
                requirement="an OPC UA sink with a user name needs a password",
                received="none: a backup holds no secrets",
                remedy="Give the sink its password again.",
            )
        await super().open()

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
        await server.start()
        self._server = server

    async def _take(self, event: Event) -> None:
        assert self._space is not None
        if event.kind == "decided":
            await self._space.show(event)
        elif event.kind == "sample":
            await self._space.sample(event)
        else:
            await self._space.tell(event)

    async def _state(self, healthy: bool, beat: int, looked: bool) -> None:
        assert self._space is not None
        await self._space.state(healthy, beat, self._serving if looked else None)

    async def _end(self) -> None:
        if self._server is not None:
            await self._server.stop()


def opcua(target: OpcUaTarget, secrets: Sequence[SinkSecret], name: str, host: Host, _sample: bool) -> OpcUa:
    """As ``kinds.py`` makes it."""
    return OpcUa(target, secrets, name, host)
