"""The OpenAPI document: operation ids are function names, every error is a ProblemDocument."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.problems import ProblemDocument

DESCRIPTION = """Learns what a good part looks like from good images alone; scores new images, shows where they differ.

Errors are `application/problem+json` (RFC 9457); a problem's `type` is a path of this server that explains it.
Scores are Euclidean feature distances: unbounded, larger is more anomalous."""
UNUSED = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The function's name."""
    return route.name


def document(app: FastAPI) -> dict[str, Any]:
    """Made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for name in UNUSED:
            schemas.pop(name, None)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        app.openapi_schema = made
    return app.openapi_schema
