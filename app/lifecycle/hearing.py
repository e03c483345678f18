"""What a server does when another one says that something changed (app/store/signals.py): it looks at once."""

from __future__ import annotations

import asyncio
import logging

from app.learning.warming import warm_here
from app.lifecycle import Service
from app.lifecycle.upkeep import attempt
from app.store.signals import Kind

log = logging.getLogger(__name__)


def hear(service: Service, kind: Kind, subject: str) -> None:
    """On the listener's thread; returns at once. Without a subject, whatever of the kind there may be."""
    log.debug("heard", extra={"kind": kind, "subject": subject})
    match kind:
        case "jobs":
            if service.learning.supervisor is not None:
                service.learning.supervisor.wake()
        case "keys":
            service.admission.forget()
        case "sinks":
            service.relay.look()
        case "events":
            service.relay.wake([subject] if subject else None)
        case "warm":
            if not service.life.draining:
                asyncio.run_coroutine_threadsafe(_warm(service), service.life.loop)


async def _warm(service: Service) -> None:
    await attempt(service, "warming", lambda: warm_here(service.learning))
