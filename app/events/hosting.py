"""Where servers of sinks run: an event loop on a thread of its own, so that whoever asks them delays no other sink."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import threading
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from app.errors import SinkCannotListen

V = TypeVar("V")
JOIN_SECONDS = 5.0


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
