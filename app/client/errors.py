"""What a call can fail with: each says requirement, received and remedy where they are known.

ClientError
  BadArgument        refused before anything was sent
  ConnectionFailed   the server was not reached, or the connection broke off
  ProblemError       the server answered with an error (RFC 9457)
  UnexpectedAnswer   an answer that no Nominal server of this release gives
  BuildFailed        the build that was waited for failed or was cancelled
  WaitedTooLong      what was waited for did not come in time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.http.schemas.jobs import Job

NAMED = ("type", "title", "status", "detail")  # members of every problem
WORDS = ("requirement", "received", "remedy")


class ClientError(Exception):
    """Root of the tree. ``str(error)`` is for people."""

    def __init__(self, *, requirement: str, received: str, remedy: str) -> None:
        said = f"{requirement[:1].upper()}{requirement[1:]}; received {received}. {remedy.rstrip('.')}."
        super().__init__(said)
        self.requirement: str | None = requirement
        self.received: str | None = received
        self.remedy: str | None = remedy


class BadArgument(ClientError):
    """An address, key or id that cannot be one."""


class ConnectionFailed(ClientError):
    """No answer. ``sent`` says whether the server may have begun the work."""

    def __init__(self, *, requirement: str, received: str, remedy: str, sent: bool) -> None:
        super().__init__(requirement=requirement, received=received, remedy=remedy)
        self.sent = sent


class ProblemError(ClientError):
    """An answer of status 400 or above. Programs may rely on ``status``, ``slug``, ``members`` and ``retry_after``."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.type = str(problem.get("type", "about:blank"))
        self.title = str(problem.get("title", f"HTTP {status}"))
        self.detail = str(problem.get("detail", self.title))
        self.members = {name: value for name, value in problem.items() if name not in NAMED}
        self.retry_after = retry_after
        Exception.__init__(self, self.detail)
        self.requirement, self.received, self.remedy = (self._word(name) for name in WORDS)

    @property
    def slug(self) -> str:
        """The end of ``type``, such as ``queue-full``; empty for a type of no Nominal server."""
        return self.type.removeprefix("/problems/") if self.type.startswith("/problems/") else ""

    @property
    def request_id(self) -> str | None:
        """To find the request in the server's log."""
        return self._word("request_id")

    def _word(self, name: str) -> str | None:
        value = self.members.get(name)
        return value if isinstance(value, str) else None


class UnexpectedAnswer(ClientError):
    """A redirect, or a body that is not what this release of the server answers."""


class BuildFailed(ClientError):
    """``job`` holds the problem of a build that failed, in the form of every error."""

    def __init__(self, job: Job) -> None:
        problem = job.error or {}
        super().__init__(
            requirement=f"the build of {job.bank} must succeed",
            received=str(problem.get("detail") or f"one that was {job.state}").rstrip("."),
            remedy=str(problem.get("remedy") or "Start it again."),
        )
        self.job = job


class WaitedTooLong(ClientError):
    """The caller's patience ended; what was waited for may still come."""
