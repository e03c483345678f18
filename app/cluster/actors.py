"""Objects in processes of a Ray cluster, a core each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from app.cluster.connect import check_reachable, connected, gone
from app.errors import ClusterGone, HostLost

WATCH_SECONDS = 2.0  # between looks whether the cluster lives


class Actors:
    """``count`` objects that ``make`` gives, in processes of their own; None: one a core of the cluster.

    They end with this process. Raises ClusterRefused, ClusterGone.
    """

    def __init__(self, address: str, make: Callable[[], Any], count: int | None = None) -> None:
        self._ray, self._make = connected(address), make
        self.count = count or max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._actors = [self._actor.remote(make) for _ in range(self.count)]
        self._address, self._waiting = address, set[Future[Any]]()
        self._closed, self._away = threading.Event(), False
        threading.Thread(target=self._watch, name="cluster", daemon=True).start()

    def submit(self, host: int, method: str, *args: Any) -> Future[Any]:
        """Call a method of one object. Its future raises HostLost where the process is gone."""
        found: Future[Any] = Future()
        self._waiting.add(found)
        found.add_done_callback(self._waiting.discard)
        try:
            under_way = self._actors[host].call.remote(method, args).future()
        except Exception as error:
            found.set_exception(self._meant(error))
            return found
        under_way.add_done_callback(lambda done: self._hand_over(done, found))
        return found

    def replace(self, host: int) -> None:
        """Another process in the place of one that is gone."""
        self._ray.kill(self._actors[host])
        self._actors[host] = self._actor.remote(self._make)

    def processes(self) -> list[tuple[int, float]]:
        """(id, CPU seconds so far) of each."""
        return [self.submit(host, "").result() for host in range(self.count)]

    def close(self) -> None:
        self._closed.set()
        if self._away:  # the next build connects anew
            threading.Thread(target=self._ray.shutdown, daemon=True).start()
            return
        for actor in self._actors:
            self._ray.kill(actor)

    def _watch(self) -> None:
        """End what waits once the cluster is gone: Ray waits on for nodes that may come."""
        while not self._closed.wait(WATCH_SECONDS):
            try:
                check_reachable(self._address)
                if any(node["Alive"] for node in self._ray.nodes()):
                    continue
                error = gone("a cluster without a node that lives")
            except ClusterGone as raised:
                error = raised
            except Exception as raised:
                error = gone(str(raised)[:300])
            self._away = True
            for future in [*self._waiting]:
                with suppress(InvalidStateError):
                    future.set_exception(error)

    def _hand_over(self, done: Future[Any], found: Future[Any]) -> None:
        error = done.exception()
        value, raised = (None, self._meant(error)) if error is not None else done.result()
        with suppress(InvalidStateError):
            if raised is None:
                found.set_result(value)
            else:
                found.set_exception(raised)

    def _meant(self, error: BaseException) -> ClusterGone:
        said = " ".join(str(error).split())[:300]
        exceptions = self._ray.exceptions
        lost = (exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.ObjectLostError)
        if isinstance(error, lost):
            return HostLost(
                "a process of the cluster must last as long as its work", said, "it is started again"
            )
        return gone(said)


class _Actor:
    """What runs in the cluster."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._object = make()

    def call(self, method: str, args: tuple[Any, ...]) -> tuple[Any, Exception | None]:
        """The result, or what was raised: Ray would wrap it."""
        if not method:
            import os
            import time

            return (os.getpid(), time.process_time()), None
        try:
            return getattr(self._object, method)(*args), None
        except Exception as error:
            return None, error
