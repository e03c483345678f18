"""What a call can fail with, and when it is sent again. Errors say requirement, received and remedy where known.

ClientError
  BadArgument        refused before anything was sent; of a folder, FolderError
  ConnectionFailed   the server was not reached, or the connection broke off
  ProblemError       the server answered with an error (RFC 9457)
  UnexpectedAnswer   an answer that no Nominal server of this release gives
  BuildFailed        the build that was waited for failed or was cancelled
  WaitedTooLong      what was waited for did not come in time

An answer of 429 or 503 with Retry-After says that nothing was done, so any call may be repeated. After a broken
connection nobody knows, so only repeatable calls are. Pauses follow the server's wish, else they double, with chance
in them; none outlasts the caller's time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nominal_client.answers.jobs import Job

NAMED = ("type", "title", "status", "detail")  # members of every problem
WORDS = ("requirement", "received", "remedy")
REFUSED = (429, 503)
AWAY = (502, 503, 504)  # proxies say these too, perhaps after the work was done


class ClientError(Exception):
    """Root of the tree. ``str(error)`` is for people."""

    def __init__(self, requirement: str, received: str, remedy: str) -> None:
        said = f"{requirement[:1].upper()}{requirement[1:]}; received {received}. {remedy.rstrip('.')}."
        super().__init__(said)
        self.requirement: str | None = requirement
        self.received: str | None = received
        self.remedy: str | None = remedy


class BadArgument(ClientError):
    """An address, key, id or image that cannot be one."""


class FolderError(BadArgument):
    """A folder to upload that is absent, cannot be read, leads out of itself or holds no image."""


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


@dataclass(frozen=True)
class Retries:
    """At most ``attempts`` within ``seconds`` from the first on; no pause above ``longest_pause`` is waited for."""

    attempts: int = 5
    seconds: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 20.0


DEFAULT = Retries()


class Attempts:
    """One call's attempts. ``within`` takes the place of the policy's seconds where it is shorter."""

    def __init__(
        self,
        retries: Retries,
        repeatable: bool,
        within: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retries, self._repeatable, self._clock = retries, repeatable, clock
        self._end = clock() + min(retries.seconds, retries.seconds if within is None else within)
        self._made = 0

    def pause_after(self, error: ClientError) -> float | None:
        """Seconds to wait before the next attempt; None where there may be none."""
        self._made += 1
        pause = self._wanted(error)
        if pause is None or self._made >= self._retries.attempts or pause > self._retries.longest_pause:
            return None
        return pause if self._clock() + pause <= self._end else None

    def _wanted(self, error: ClientError) -> float | None:
        match error:
            case ProblemError() if error.status in REFUSED and error.retry_after is not None:
                return error.retry_after * random.uniform(1, 1.2)  # those refused together come apart
            case ProblemError() if error.status in AWAY and self._repeatable:
                return self._own()
            case ConnectionFailed() if self._repeatable or not error.sent:
                return self._own()
        return None

    def _own(self) -> float:
        longest = self._retries.first_pause * 2.0 ** (self._made - 1)
        return min(longest, self._retries.longest_pause) * random.uniform(0.5, 1)
