"""Where servers of sinks run: an event loop on a thread of its own, so that whoever asks them delays no other sink."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from app.errors import AppError, SinkCannotListen
from app.events import Event, Host

V = TypeVar("V")
JOIN_SECONDS = 5.0
BEAT_SECONDS = 1.0
LOOK_BEATS = 5  # beats between two looks at which banks can decide


def _is_an_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address of this machine, such as 127.0.0.1 or 10.20.0.5") from None


Listening = Annotated[
    str, Field(max_length=45, description="IP address to listen on, of the server that has the sink."),
    AfterValidator(_is_an_address),
]  # fmt: skip


class Hosting:
    """A loop on a thread, from when it is made until its ``end``."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, V]) -> V:
        """What ``work`` returns or raises on that loop; cancelled with whoever waits for it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def end(self) -> None:
        """Whatever still runs there is cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, JOIN_SECONDS)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()


class HostedServer(ABC):
    """A sink that is a server: its life on a thread of its own, and its heartbeat."""

    def __init__(self, address: str, port: int, host: Host) -> None:
        self._address, self._port, self._host = address, port, host
        self._hosting: Hosting | None = None
        self._task: asyncio.Task[None] | None = None
        self._serving: Mapping[str, bool] = {}
        self.lost: str | None = None

    async def open(self) -> None:
        """Listens. Raises SinkCannotListen, SinkKindUnavailable."""
        self.lost = None
        check_free(self._address, self._port)
        self._hosting = Hosting(type(self).__name__.lower())
        await self._hosting.run(self._begin())

    async def send(self, event: Event) -> None:
        """Raises EventRefused, EventHeld."""
        assert self._hosting is not None
        await self._hosting.run(self._take(event))

    async def close(self) -> None:
        """Ends its connections."""
        hosting, self._hosting = self._hosting, None
        if hosting is not None:
            with contextlib.suppress(Exception):
                await hosting.run(self._finish())
            await hosting.end()

    # On the server's loop

    @abstractmethod
    async def _listen(self) -> None:
        """Raises OSError or RuntimeError where the address cannot be had."""

    @abstractmethod
    async def _take(self, event: Event) -> None:
        """Show an event."""

    @abstractmethod
    async def _state(self, healthy: bool, beat: int, looked: bool) -> None:
        """Show how the server is; ``looked``: whether ``_serving`` was read anew."""

    @abstractmethod
    async def _end(self) -> None:
        """Of a server that may not have begun."""

    async def _look(self) -> None:
        """Which banks can decide: none where the database does not say, as no server inspects without it."""
        self._serving = {}
        with contextlib.suppress(AppError):
            self._serving = await asyncio.get_running_loop().run_in_executor(None, self._host.banks)

    async def _begin(self) -> None:
        try:
            await self._listen()
        except (OSError, RuntimeError) as error:
            raise cannot_listen(self._address, self._port, error) from error
        self._task = asyncio.create_task(self._beat())
        self._task.add_done_callback(self._ended)

    async def _beat(self) -> None:
        """The counter moves while this server inspects, and stops when it does not."""
        beat = turn = 0
        while True:
            looked = turn % LOOK_BEATS == 0
            if looked:
                await self._look()
            turn += 1
            healthy = self._host.healthy()
            beat = (beat + healthy) % 0x10000
            await self._state(healthy, beat, looked)
            await asyncio.sleep(BEAT_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.lost = f"its heartbeat ended: {task.exception()}"

    async def _finish(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._end()


def check_free(address: str, port: int) -> None:
    """Raises SinkCannotListen where a server could not listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            raise cannot_listen(address, port, error) from error


def cannot_listen(address: str, port: int, error: Exception) -> SinkCannotListen:
    """By name: taken, not of this machine, or not allowed."""
    remedies = {
        errno.EADDRINUSE: "Choose another port, or end the program or the sink that has it.",
        errno.EADDRNOTAVAIL: "Give an address of the server that has the sink.",
        errno.EACCES: "Choose a port from 1024 on, or let the server open lower ones.",
    }
    code = getattr(error, "errno", None) or 0
    return SinkCannotListen(
        requirement=f"the address {address} and port {port} must be free for this sink's server",
        received=getattr(error, "strerror", None) or str(error) or type(error).__name__,
        remedy=remedies.get(code, "Check the address and the port.") + " It is tried again by itself.",
    )
