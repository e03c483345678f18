"""Events leave by sinks, one file a kind: what a sink is, and which kinds there are.

The relay (``relay.py``) hands each event to a sink and writes down what became of it. A new kind is a file with a
``Target``, which says how it is reached, and a class of the four methods below; then it is named in ``kinds.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from app.settings import Settings
from app.store.schema import Outgoing


class Event(NamedTuple):
    """What is sent: ``body`` is a CloudEvents envelope as JSON; ``id`` the same each time it is sent."""

    id: str
    kind: str
    bank: str
    body: str

    @classmethod
    def of(cls, row: Outgoing) -> Event:
        """Of the outbox."""
        return cls(row.id, row.kind, row.bank, row.body)


class Host(NamedTuple):
    """What a sink may ask the server that it runs on.

    healthy: whether this server inspects. banks: those that the sink gets events of, and whether each has an active
    version that is not quarantined; asks the database, so only on a thread beside the loop. Raises AppError.
    """

    settings: Settings
    healthy: Callable[[], bool] = lambda: True
    banks: Callable[[], Mapping[str, bool]] = lambda: {}


class Sink(Protocol):
    """An open way out. Only its courier's loop calls it: opened once, then any number of sends, at last closed."""

    @property
    def lost(self) -> str | None:
        """Why it must be opened anew, where that was seen without sending; None while it is well."""

    async def open(self) -> None:
        """Raises ``SinkUnreachable``, ``SinkCannotListen``, ``SinkKindUnavailable``."""

    async def send(self, event: Event) -> None:
        """Returns once the other side has acknowledged it. Several may be on their way, one of each bank at most.

        Raises ``SinkUnreachable`` where it is not this event's fault, ``EventRefused`` where it may be, ``EventHeld``
        where the other side is not done with the event before.
        """

    async def close(self) -> None:
        """Let go of everything; harmless after a failed ``open``."""


class Target(BaseModel):
    """Root of what says how a sink is reached; it holds no secret, is stored as it is, and shown to administrators."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def banks(self) -> list[str] | None:
        """Those that it has a place for; None where that is every bank."""
        return None
