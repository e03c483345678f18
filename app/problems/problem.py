"""One error as a problem (RFC 9457), made in this one place; the types are in app/problems/types.py."""

from __future__ import annotations

import http.client
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.problems.types import BY_STATUS, INTERNAL, ProblemType, type_of

MEDIA_TYPE = "application/problem+json"
WORDS = ("requirement", "received", "remedy")
MEMBERS = ("reason", "files", "left_out")  # attributes that some errors have and that become members
RETRY_AFTER = {"database-busy": 1, "database-unavailable": 5, "storage-unavailable": 5, "reference-gone": 1}


@dataclass(frozen=True)
class Problem:
    """One error, ready to be answered or kept (a failed job keeps its ``document``)."""

    type: ProblemType
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The members of the JSON object."""
        kind = self.type
        known = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": self.detail}
        return known | {name: value for name, value in self.members.items() if value is not None}

    def response(self) -> Response:
        """The answer."""
        return JSONResponse(self.document(), self.type.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception, *, instance: str | None = None, request_id: str | None = None) -> Problem:
    """The problem that ``error`` is. Says of an unexpected error nothing but the request's id."""
    where = {"instance": instance, "request_id": request_id}
    match error:
        case RequestValidationError():
            return _invalid(error, where)
        case HTTPException():
            return _of_http(error, where)
    kind = type_of(type(error))
    if kind is INTERNAL:
        remedy = "Find the request's id in the server's log." if request_id else "See the server's log."
        return Problem(kind, f"An internal error. {remedy}", {"remedy": remedy, **where})
    members: dict[str, Any] = {name: getattr(error, name, None) for name in (*WORDS, *MEMBERS)}
    headers = {"WWW-Authenticate": "Bearer"} if kind.status == 401 else {}
    if (seconds := getattr(error, "retry_after", RETRY_AFTER.get(kind.slug))) is not None:
        members["retry_after"] = max(1, math.ceil(seconds))
        headers["Retry-After"] = str(members["retry_after"])
    return Problem(kind, str(error) or kind.title, jsonable_encoder(members) | where, headers)


def _of_http(error: HTTPException, where: Mapping[str, Any]) -> Problem:
    phrase = http.client.responses.get(error.status_code, "An error")
    kind = BY_STATUS.get(error.status_code) or _Blank("about:blank", error.status_code, phrase)
    headers = dict(error.headers or {})
    if kind.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    detail = error.detail if error.detail != phrase else kind.title + "."
    return Problem(kind, detail if kind is not INTERNAL else kind.title + ".", where, headers)


class _Blank(ProblemType):
    """A status that needs no type of its own; RFC 9457, 4.2.1."""

    @property
    def uri(self) -> str:
        return self.slug


def _invalid(error: RequestValidationError, where: Mapping[str, Any]) -> Problem:
    faults = [_fault(fault) for fault in error.errors()]
    detail = "; ".join(f"{fault.get('pointer') or fault.get('name')}: {fault['detail']}" for fault in faults)
    return Problem(BY_STATUS[422], detail, {"errors": faults, **where})


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    """One invalid value, by JSON pointer (RFC 6901) into the body or by the parameter's name; never its content."""
    place, *path = fault["loc"]
    if place != "body":
        return {"detail": fault["msg"], "in": place, "name": ".".join(map(str, path))}
    if fault["type"] == "json_invalid":
        return {"detail": f"{fault['msg']} at byte {path[0]}: {fault['ctx']['error']}", "pointer": "#"}
    return {"detail": fault["msg"], "pointer": "#" + _pointer(path)}


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + quote(str(step).replace("~", "~0").replace("/", "~1")) for step in path)
