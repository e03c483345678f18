"""A loopback HTTP server that answers what it was told, one answer a request, and remembers what it was asked."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """A request; of its body the length, and the bytes where they are few."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    body: bytes


@dataclass
class Script:
    """``answers`` are whole responses as bytes; an empty one breaks the connection off."""

    url: str
    answers: list[bytes]
    seen: list[Seen] = field(default_factory=list)


def reply(status: int, body: bytes = b"{}", media_type: str = "application/json", **headers: str) -> bytes:
    """A response; ``Retry_After="0"`` becomes the header Retry-After."""
    said = {"Content-Type": media_type, "Content-Length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def scripted(answers: Sequence[bytes]) -> Iterator[Script]:
    """A server that gives these answers in turn."""
    script = Script("", list(answers))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while (request := self.rfile.readline()) and self._answer(request):
                pass

        def _answer(self, request: bytes) -> bool:
            method, path, _ = request.decode().split(" ", 2)
            headers = dict(self._headers())
            length = int(headers.get("content-length", "0"))
            first = self.rfile.read(min(length, 1 << 16))
            for start in range(len(first), length, 1 << 16):
                self.rfile.read(min(1 << 16, length - start))
            script.seen.append(Seen(method, path, headers, length, first))
            answer = script.answers.pop(0)
            self.wfile.write(answer)
            return bool(answer) and b"Connection: close" not in answer

        def _headers(self) -> Iterator[tuple[str, str]]:
            while line := self.rfile.readline().strip().decode():
                name, _, value = line.partition(":")
                yield name.lower(), value.strip()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
