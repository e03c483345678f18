"""Every error as problem+json (RFC 9457), made in this one place; the types are in app/http/problem_types.py."""

from __future__ import annotations

import http.client
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from app.errors import AppError
from app.http.problem_types import BY_STATUS, INTERNAL, ProblemType, type_of
from core.errors import CoreError
from models.errors import ModelError

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WORDS = ("requirement", "received", "remedy")
MEMBERS = ("reason", "files")  # attributes that some errors have and that become members
RETRY_AFTER = {"database-busy": 1, "database-unavailable": 5, "storage-unavailable": 5, "reference-gone": 1}

log = logging.getLogger(__name__)


class ProblemDocument(BaseModel):
    """RFC 9457: what every error answers, as ``application/problem+json``."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URI reference of the problem type, such as /problems/queue-full; stable.")
    title: str = Field(description="The type in a few words.")
    status: int
    detail: str = Field(description="What went wrong this time, as a sentence.")
    instance: str | None = Field(None, description="The path that was asked for.")
    request_id: str | None = Field(None, description="To find the request in the server's log.")
    requirement: str | None = Field(None, description="What must hold.")
    received: str | None = Field(None, description="What was found instead.")
    remedy: str | None = Field(None, description="What to do about it.")
    retry_after: int | None = Field(None, description="Seconds after which to try again, as in Retry-After.")
    errors: list[dict[str, Any]] | None = Field(
        None, description="Each invalid value: detail, and pointer or name."
    )


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


def install(app: FastAPI) -> None:
    """Makes ``app`` answer every error as a problem."""
    for kind in (
        CoreError,
        ModelError,
        AppError,
        HTTPException,
        RequestValidationError,
        ClientDisconnect,
        Exception,
    ):
        app.add_exception_handler(kind, answer)


async def answer(request: Request, error: Exception) -> Response:
    """The exception handler: notes the type for log and metrics, logs what is the server's fault, answers."""
    if isinstance(error, HTTPException) and error.status_code < 400:  # not modified, no content
        return Response(status_code=error.status_code, headers=error.headers)
    response = respond(request.scope, error)
    if response.status_code == 405 and (allowed := _allowed(request)):
        response.headers["Allow"] = ", ".join(allowed)
    return response


def respond(scope: Scope, error: Exception) -> Response:
    """The answer to a request that failed with ``error``; for middleware, which has no exception handlers."""
    state = scope.setdefault("state", {})
    problem = problem_of(error, instance=quote(scope["path"]), request_id=state.get("request_id"))
    state["problem"], state["answered"] = problem.type.slug, problem
    if problem.type is INTERNAL:
        log.error("unexpected error", exc_info=error)
    elif problem.type.status >= 500 and "Retry-After" not in problem.headers:
        log.error("%s", error, extra={"problem": problem.type.slug})
    return problem.response()


def _allowed(request: Request) -> list[str]:
    """Methods of every route with this path; Starlette names those of the first alone."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m in METHODS if any(route.matches(scopes[m])[0] is Match.FULL for route in routes)]
