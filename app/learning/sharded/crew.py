"""The hosts of one build and their shards: who holds which, and what one that took another's place must be given.

Letters: p picks of a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import numpy as np
from jaxtyping import Float32

from app.errors import ClusterGone, HostLost
from app.learning.sharded.host import Order, ShardRead
from app.learning.sharded.hosts import Hosts
from core.memory.coreset import Picks
from core.memory.shard import Candidates

LOSSES = 3  # of one host without a call that succeeds between them, after which the cluster counts as gone
_POLL_SECONDS = 0.1

Given = Callable[[Order], Sequence[tuple[str, bytes]]]
"""The images of a shard: names and files."""


class Crew:
    """check: called many times a second; what it raises ends the work. lost: hosts that were replaced so far."""

    def __init__(self, hosts: Hosts, given: Given, check: Callable[[], None]) -> None:
        self.hosts, self._given, self._check = hosts, given, check
        self.orders: list[list[Order]] = [[] for _ in range(hosts.count)]
        self.lost = 0
        self._turn = [0] * hosts.count  # how often each was replaced
        self._settled: dict[int, tuple[Any, ...]] = {}
        self._bank: tuple[Any, ...] = ()
        self.picks: Picks | None = None
        self._capacity = 0

    def read(self, orders: Sequence[Order], taken: Callable[[int, ShardRead], None]) -> None:
        """Every shard by whichever host is free; ``taken`` is given each. Those of a host that ends wait again."""
        waiting, running = list(reversed(orders)), dict[Future[Any], tuple[int, Order]]()
        losses = [0] * self.hosts.count
        free = list(range(self.hosts.count))
        while waiting or running:
            while waiting and free:
                host, order = free.pop(), waiting.pop()
                running[self.hosts.submit(host, "read", order, self._given(order))] = host, order
            self._check()
            for future in wait(running, _POLL_SECONDS, FIRST_COMPLETED).done:
                host, order = running.pop(future)
                free.append(host)
                try:
                    taken(order.number, future.result())
                    self.orders[host].append(order)
                    losses[host] = 0
                except HostLost:
                    losses[host] += 1
                    waiting.append(order)
                    self._replaced(host, losses[host])

    def settle(self, of_host: Callable[[int], tuple[Any, ...]]) -> None:
        """Tell every host how vectors are compared."""
        self._settled = {host: of_host(host) for host in range(self.hosts.count)}
        self.each("settle", self._settled.__getitem__)

    def start(self, picks: Picks, capacity: int) -> None:
        """Begin a search."""
        self.picks, self._capacity = picks, capacity
        self.each("start", lambda host: (picks.points, capacity))

    def step(self, new: Float32[np.ndarray, "p k"]) -> list[Candidates]:
        """A round of it; a host in another's place has the new picks already."""
        return self.each("step", lambda host: (new,), lambda host: (new[:0],))

    def bank(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        """What parts are judged by; the search has ended."""
        self.picks, self._bank = None, (vectors,)
        self.each("bank", lambda host: self._bank)

    def each(
        self,
        method: str,
        args: Callable[[int], tuple[Any, ...]],
        again: Callable[[int], tuple[Any, ...]] | None = None,
    ) -> list[Any]:
        """What every host returns, in their order. again: the arguments for one that took another's place."""
        calls = [(host, method, args(host)) for host in range(self.hosts.count)]
        begun = [self._begin(*call) for call in calls]
        return [
            self._settle(one, host, method, (again or args)(host))
            for one, (host, method, _) in zip(begun, calls, strict=True)
        ]

    def calls(self, calls: Sequence[tuple[int, str, tuple[Any, ...]]]) -> Iterator[Any]:
        """The results of some calls (host, method, arguments), begun at once, in their order."""
        begun = [self._begin(*call) for call in calls]
        return (self._settle(one, *call) for one, call in zip(begun, calls, strict=True))

    def _begin(self, host: int, method: str, args: tuple[Any, ...]) -> tuple[Future[Any], int]:
        """The call, and whose turn it was then."""
        return self.hosts.submit(host, method, *args), self._turn[host]

    def _settle(self, begun: tuple[Future[Any], int], host: int, method: str, args: tuple[Any, ...]) -> Any:
        """The result, from another host where this one ends."""
        for loss in range(1, LOSSES + 2):
            future, turn = begun
            try:
                return self._wait(future)
            except HostLost:
                if turn == self._turn[host]:  # else an earlier call has found out already
                    self._recover(host, loss)
                begun = self._begin(host, method, args)
        raise _gone("a host that ended at every try")

    def _recover(self, host: int, loss: int) -> None:
        """Another host that knows all that the lost one did."""
        for again in range(loss, LOSSES + 1):
            self._replaced(host, again)
            try:
                for order in self.orders[host]:
                    known = self._wait(self.hosts.submit(host, "read", order, None))
                    if known is None:
                        self._wait(self.hosts.submit(host, "read", order, self._given(order)))
                if self._settled:
                    self._wait(self.hosts.submit(host, "settle", *self._settled[host]))
                if self.picks is not None:
                    self._wait(self.hosts.submit(host, "start", self.picks.points, self._capacity))
                if self._bank:
                    self._wait(self.hosts.submit(host, "bank", *self._bank))
                return
            except HostLost:
                continue
        raise _gone("a host that ended at every try")

    def _replaced(self, host: int, losses: int) -> None:
        if losses > LOSSES:
            raise _gone(f"a host that ended {losses} times")
        self.lost += 1
        self._turn[host] += 1
        self.hosts.replace(host)

    def _wait(self, future: Future[Any]) -> Any:
        while not future.done():
            self._check()
            wait([future], _POLL_SECONDS)
        return future.result()


def _gone(received: str) -> ClusterGone:
    return ClusterGone(
        requirement="the processes of a cluster must last as long as a build needs them",
        received=received,
        remedy="look at the cluster's memory and logs, then start the build again: it goes on from whole shards",
    )
