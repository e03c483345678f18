"""Where files, folders and archives are dropped: uploader.js sends them in batches and shows what became of each."""

from __future__ import annotations

from dataclasses import asdict, replace

from nicegui.element import Element

from app.console.view import View
from app.console.widgets.words import UPLOADER

ACCEPT = "image/*,.jfif,.jpe,.zip,.tar,.gz,.tgz,.bz2,.xz"


class Uploader(Element, component="uploader.js"):
    """Sends to ``url``. Events: ``taken`` after each batch, ``done`` at the end; both with counts by status.

    formats: says which files it takes, in place of the words for nominal images.
    """

    def __init__(self, view: View, url: str, formats: str | None = None) -> None:
        super().__init__()
        self.props["url"] = url
        self.props["words"] = asdict(UPLOADER if formats is None else replace(UPLOADER, formats=formats))
        self.props["accept"] = ACCEPT
        self.props["disabled"] = view.why_not("admin") or ""

    def send_to(self, url: str, formats: str) -> None:
        """From the next batch on."""
        self.props["url"], self.props["words"] = url, asdict(replace(UPLOADER, formats=formats))
        self.update()
