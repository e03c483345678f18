"""/docs: the OpenAPI document as pages, from files of this machine alone: it works where nothing else is reached."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

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
