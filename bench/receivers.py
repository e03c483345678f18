"""Receivers of events on loopback: one that acknowledges everything, one that hangs; and what came, judged."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any


@dataclass
class Came:
    """What one sink was given: event ids in order, and when."""

    ids: list[str] = field(default_factory=list)
    at: dict[str, float] = field(default_factory=dict)

    def hear(self, body: bytes) -> None:
        """An envelope."""
        self.hear_of(json.loads(body)["id"])

    def hear_of(self, id: str) -> None:
        """An event, by its id."""
        self.ids.append(id)
        self.at.setdefault(id, time.monotonic())

    def verdict(self, banks: dict[str, list[str]]) -> tuple[int, int, int]:
        """(lost, came twice, out of order) of what was recorded in each bank."""
        counts, first = Counter(self.ids), {id: place for place, id in enumerate(dict.fromkeys(self.ids))}
        wanted = [id for ids in banks.values() for id in ids]
        lost = sum(id not in counts for id in wanted)
        places = [[first[id] for id in ids if id in first] for ids in banks.values()]
        wrong = sum(b < a for each in places for a, b in pairwise(each))
        return lost, sum(counts.values()) - len(counts), wrong


@contextmanager
def receiver() -> Iterator[tuple[str, Came]]:
    """A receiver that acknowledges everything: its address, what came."""
    came = Came()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            came.hear(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as url:
        yield url, came


@contextmanager
def hanging() -> Iterator[str]:
    """A receiver that never answers, until the block ends."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            over.wait()

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as url:
        yield url
        over.set()


class Quiet(ThreadingHTTPServer):
    """Says nothing of a client that was killed."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on loopback; its address."""
    server = Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
