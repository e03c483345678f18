"""The OpenAPI document: operation ids are function names, every error is a ProblemDocument."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.http.problems import ProblemDocument

DESCRIPTION = """Learns what a good part looks like from good images alone; scores new images, shows where they differ.

Errors are `application/problem+json` (RFC 9457); a problem's `type` is a path of this server that explains it.
Scores are Euclidean feature distances: unbounded, larger is more anomalous."""
KEYS: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key: nominal_..."},
    "key_header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
OPEN = ("/livez", "/readyz", "/metrics", "/version", "/problems/{slug}")
ANONYMOUS = ("/health",)  # a key may be given and need not be
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
        made["components"]["securitySchemes"] = KEYS
        for path, operations in made["paths"].items():
            for operation in operations.values():
                operation["security"] = _security(path)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        app.openapi_schema = made
    return app.openapi_schema


def _security(path: str) -> list[dict[str, list[str]]]:
    """Which keys an operation takes; an empty entry says none is needed."""
    needed: list[dict[str, list[str]]] = [{name: []} for name in KEYS]
    if path in OPEN:
        return []
    return [*needed, {}] if path in ANONYMOUS else needed
