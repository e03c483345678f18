"""Signing in by a link that an administrator made (app/store/links.py), in place of typing a key."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.console.session import entered, root_of, shell, templates
from app.errors import OutOfScope
from app.lifecycle import Service
from app.store.errors import KeyRefused, LinkRefused

router = APIRouter(include_in_schema=False)


@router.get("/sign-in/link")
async def link_page(request: Request) -> Response:
    """Where a sign-in link leads: its text is after #, so no log has it, and nothing that looks ahead uses it up."""
    values: dict[str, Any] = {**shell(request), "link": True}
    return templates.TemplateResponse(request, "sign_in.html", values, headers={"Cache-Control": "no-store"})


@router.post("/sign-in/link")
async def sign_in_by_link(request: Request) -> Response:
    """Trade a link, which is then used, for a session of its key."""
    service: Service = request.app.state.service
    text = str((await request.form()).get("link", ""))
    try:
        key = await service.pools.background(partial(service.store.links.take, text))
        actor = await service.pools.background(partial(service.admission.holder, key.id))
        actor.scope.admit_whole()
    except OutOfScope:
        return RedirectResponse(f"{root_of(request)}/sign-in?reason=limited", 303)
    except KeyRefused as error:
        reason = error.reason if isinstance(error, LinkRefused) else "ended"
        return RedirectResponse(f"{root_of(request)}/sign-in?reason={reason}", 303)
    return entered(request, actor.id, "/")
