"""Where hosts run, as far as a build reaches them: processes of a cluster, or threads of this one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from app.cluster.actors import Actors
from app.learning.sharded.host import Host, Recipe


class Hosts(Protocol):
    """Numbered from 0. A call whose host is gone raises ``app.errors.HostLost`` from its future."""

    count: int

    def submit(self, host: int, method: str, *args: Any) -> Future[Any]:
        """Call a method of a host; its calls run one after another."""
        ...

    def replace(self, host: int) -> None:
        """Start another in the place of one that is gone."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...


class ThreadHosts:
    """In this process, a thread each: what the tests build with, and what one machine needs."""

    def __init__(self, recipe: Recipe, count: int, make: Callable[[Recipe], Host] = Host) -> None:
        self._recipe, self._make, self.count = recipe, make, count
        self._pools = [ThreadPoolExecutor(1, f"host-{i}") for i in range(count)]
        self._hosts = [make(recipe) for _ in range(count)]

    def submit(self, host: int, method: str, *args: Any) -> Future[Any]:
        return self._pools[host].submit(lambda: getattr(self._hosts[host], method)(*args))

    def replace(self, host: int) -> None:
        self._hosts[host] = self._make(self._recipe)

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)


def cluster_hosts(address: str, recipe: Recipe, count: int | None = None) -> Actors:
    """Processes of a cluster, one a core unless ``count`` says how many. Raises ClusterRefused, ClusterGone."""
    return Actors(address, partial(Host, recipe), count)
