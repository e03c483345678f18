"""Every error that a request meets, answered as problem+json (RFC 9457); below /v2 as the protocol there has it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from app.errors import AppError
from app.problems.problem import Problem, problem_of
from app.problems.types import INTERNAL
from core.errors import CoreError
from models.errors import ModelError

INFERENCE = "/v2"  # where the Open Inference Protocol's paths begin
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

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


class ErrorDocument(BaseModel):
    """What every error of the Open Inference Protocol answers."""

    error: str = Field(description="What must hold, what was found instead, and what to do about it.")


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
    return problem.response() if not _of_inference(scope) else _in_words(problem)


def _of_inference(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == INFERENCE or path.startswith(INFERENCE + "/")


def _in_words(problem: Problem) -> Response:
    """The error of the Open Inference Protocol, which has one member."""
    return JSONResponse(
        ErrorDocument(error=problem.detail).model_dump(), problem.type.status, problem.headers
    )


def as_bytes(error: Exception) -> bytes:
    """The answer as it goes over the wire, where no application has the request yet; the connection closes after it."""
    response = problem_of(error).response()
    status = HTTPStatus(response.status_code)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii"), b"connection: close"]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body)


def _allowed(request: Request) -> list[str]:
    """Methods of every route with this path; Starlette names only those of the first."""
    routes = request.app.router.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m in METHODS if any(route.matches(scopes[m])[0] is Match.FULL for route in routes)]
