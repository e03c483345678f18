"""A place to drop files, folders and archives; each batch is answered file by file, a broken one is sent again."""

from __future__ import annotations

from dataclasses import asdict

from nicegui.element import Element

from app.console.text.uploader import UPLOADER
from app.console.view import View

ACCEPT = "image/*,.zip,.tar,.gz,.tgz,.bz2,.xz"


class Uploader(Element, component="uploader.js"):
    """Sends to ``url``. Events: ``taken`` after each batch, ``done`` at the end; both with counts by status."""

    def __init__(self, view: View, url: str) -> None:
        super().__init__()
        self.props["url"] = url
        self.props["words"] = asdict(UPLOADER)
        self.props["accept"] = ACCEPT
        self.props["disabled"] = view.why_not("admin") or ""
