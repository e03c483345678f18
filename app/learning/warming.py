"""A version is loaded by every live server before it is active, so that its first inspection anywhere finds it warm.

Who activates asks the others in the database (app/store/servers.py) and waits for a bounded time. A server that is
slow, has no room or cannot load it holds nothing up: it loads the version when it is first to inspect with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from app.errors import AppError
from app.inspection.registry import UNFIT
from app.learning.supervisor import Learning
from app.store.schema import Warming

ELSEWHERE_SECONDS = 15.0  # that an activation waits for other servers at most
LOOK_SECONDS = 0.1

log = logging.getLogger(__name__)


async def warm_elsewhere(learning: Learning, bank: str, sha256: str, size: int) -> list[str]:
    """Have the other live servers load a bank file; those that have not answered in time, which the log names."""
    servers, pools, began = learning.store.servers, learning.pools, time.monotonic()
    id = await pools.background(lambda: servers.ask_warm(bank, sha256, size, besides=learning.server))
    if id is None:
        return []
    cold = await pools.background(lambda: servers.cold(id))
    while cold and time.monotonic() - began < ELSEWHERE_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
        cold = await pools.background(lambda: servers.cold(id))
    await pools.background(lambda: servers.give_up(id))
    said = {"bank": bank, "sha256": sha256, "seconds": round(time.monotonic() - began, 3)}
    if cold:
        log.warning("activated before these servers have it loaded: %s", ", ".join(cold), extra=said)
    else:
        log.info("loaded by the other servers", extra=said)
    return cold


async def warm_here(learning: Learning) -> None:
    """Load what other servers ask this one to, and answer them; one look at a time."""
    if learning.warming.locked():
        learning.warm_again.set()
        return
    servers, pools = learning.store.servers, learning.pools
    async with learning.warming:
        learning.warm_again.set()
        while learning.warm_again.is_set():
            learning.warm_again.clear()
            for asked in await pools.background(lambda: servers.to_warm(learning.server)):
                await _load(learning, asked)
                await pools.background(partial(servers.warmed, asked))


async def _load(learning: Learning, asked: Warming) -> None:
    registry = learning.inspecting.registry
    said = {"bank": asked.bank, "sha256": asked.sha256}
    if registry.holds(asked.sha256):
        return
    if not registry.has_room(asked.bank, asked.bytes):
        log.info("a bank is not loaded before it is active: others would have to leave", extra=said)
        return
    try:
        await registry.prepare(asked.sha256)
    except (*UNFIT, AppError) as error:  # its first loading as a version tries again, and keeps the reason
        log.warning("a bank could not be loaded before it is active: %s", error, extra=said)
