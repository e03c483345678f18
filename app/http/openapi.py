"""The OpenAPI document, and the pages that show it without a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from app.http.inference import InferenceRequest
from app.http.problems import ErrorDocument, ProblemDocument

DESCRIPTION = """Learns what a good part looks like from good images only; scores new images, shows where they differ.

Errors are `application/problem+json` (RFC 9457); a problem's `type` is a path of this server that explains it.
Scores are Euclidean feature distances: unbounded, larger is more anomalous."""
KEYS: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key: nominal_..."},
    "key_header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
OPEN = (
    "/livez", "/readyz", "/metrics", "/version", "/problems/{slug}", "/v2", "/v2/health/live", "/v2/health/ready",
)  # fmt: skip
ANONYMOUS = ("/health",)  # a key may be given and need not be
UNUSED = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The function's name."""
    return route.name


def document(app: FastAPI) -> dict[str, Any]:
    """Made once; FastAPI adds the path under which a proxy shows the server to what it answers."""
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
                _simplify_body(operation.get("requestBody", {}), schemas)
        for model in (ProblemDocument, ErrorDocument, InferenceRequest):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= {**schema.pop("$defs", {}), model.__name__: schema}
        app.openapi_schema = made
    return app.openapi_schema


def _simplify_body(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Names a form's schema by its title, so that generated code has a class of that name.

    A body that may be left out is not one that may be null, too: openapi-python-client cannot leave out such a union.
    """
    content = body.get("content", {})
    if form := content.get("multipart/form-data"):
        name = form["schema"]["title"]
        schemas[name] = form["schema"]
        form["schema"] = {"$ref": f"#/components/schemas/{name}"}
    elif (value := content.get("application/json")) and not body.get("required"):
        (value["schema"],) = (each for each in value["schema"]["anyOf"] if each != {"type": "null"})


def _security(path: str) -> list[dict[str, list[str]]]:
    """Which keys an operation takes; an empty entry says none is needed."""
    needed: list[dict[str, list[str]]] = [{name: []} for name in KEYS]
    if path in OPEN:
        return []
    return [*needed, {}] if path in ANONYMOUS else needed


ASSETS = "/docs/assets"
NO_ICON = "data:,"


def include_docs(app: FastAPI) -> None:
    """Add the pages, where the package that holds Swagger UI is installed."""
    folder = assets()
    if folder is None:
        return

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title}: API",
            swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
            swagger_favicon_url=NO_ICON,
        )

    app.add_route("/docs", docs, include_in_schema=False)
    app.mount(ASSETS, StaticFiles(directory=folder), name="docs-assets")


def assets() -> Path | None:
    """The folder of Swagger UI's files; the package that brings them is found and never imported."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "static"
    return folder if (folder / "swagger-ui-bundle.js").is_file() else None
