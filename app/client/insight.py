"""Calls about what versions learnt and would do, and about what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypedDict, Unpack

from pydantic import ValidationError

from app.client.bodies import Json
from app.client.call import SLOW, Call, Pages, at, pages_of, parsed
from app.client.downloads import never
from app.client.errors import UnexpectedAnswer
from app.client.inspections import Which, said
from app.http.schemas.insight import Agreement, Calibration, Compared, Exploration
from app.http.schemas.inspections import Inspection

LONGEST = 1 << 16  # bytes of one line


class Tried(TypedDict, total=False):
    """Thresholds or rates in place of the bank's; ``before`` is the cursor of more flips."""

    review_threshold: float
    reject_threshold: float
    target_false_reject: float
    target_review: float
    version: int
    bins: int
    limit: int
    before: str


def get_calibration(bank: str, version: int, *, bins: int = 40, hardest: int = 12) -> Call[Calibration]:
    """A version's nominal scores, what they promise, and the nominal images that look least nominal."""
    path = at("/v1/banks/{}/versions/{}/calibration", bank, version)
    return Call("GET", path, parsed(Calibration), {"bins": bins, "hardest": hardest})


def explore_thresholds(bank: str, **tried: Unpack[Tried]) -> Call[Exploration]:
    """What thresholds or rates would do before they are saved; the bank's own where none are given."""
    return Call("GET", at("/v1/banks/{}/exploration", bank), parsed(Exploration), dict(tried))


def compare_versions(
    bank: str, a: int, b: int, *, limit: int = 100, progress: Callable[[Compared], None] = lambda pair: None
) -> Call[list[Compared]]:
    """Score kept images by two versions, reviewed ones first; ``progress`` hears of each as it is done."""
    body = Json({"a": a, "b": b, "limit": limit})
    path = at("/v1/banks/{}/compare", bank)
    return Call("POST", path, never, body=body, sink=lambda headers: Lines(progress), silence=SLOW)


def list_review_queue(**which: Unpack[Which]) -> Pages[Inspection]:
    """Inspections without a verdict: rejected ones first, then those to review, then accepted ones."""
    return pages_of(Inspection, "/v1/reviews/queue", "after", said(which))


def get_agreement(**which: Unpack[Which]) -> Call[Agreement]:
    """How people judged the decisions of a filter, and how many still wait."""
    return Call("GET", "/v1/reviews/agreement", parsed(Agreement), said(which))


class Lines:
    """A sink of JSON lines, each a compared inspection; its result is all of them."""

    def __init__(self, progress: Callable[[Compared], None]) -> None:
        self._progress, self._pending = progress, b""
        self._found: list[Compared] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Holds nothing."""

    def feed(self, chunk: bytes) -> bool:
        """Never enough."""
        *whole, self._pending = (self._pending + chunk).split(b"\n")
        if len(self._pending) > LONGEST:
            raise _foreign("a line without end")
        for line in whole:
            self._take(line)
        return False

    def result(self) -> list[Compared]:
        """Raises UnexpectedAnswer where the stream ended before all were compared, as when the server shuts down."""
        if self._pending or (self._found and self._found[-1].done < self._found[-1].total):
            raise _foreign("one that broke off")
        return self._found

    def _take(self, line: bytes) -> None:
        try:
            pair = Compared.model_validate_json(line)
        except ValidationError as error:
            raise _foreign("a line that is none") from error
        self._found.append(pair)
        self._progress(pair)


def _foreign(received: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        requirement="a comparison must be a stream of JSON lines, one an inspection",
        received=received,
        remedy="Compare again; check what stands between client and server.",
    )
