"""Style and scripts that only pages of inspections need."""

from __future__ import annotations

import html

from nicegui import ui

from app.console.assets import asset
from app.console.text.shell import SHELL
from app.console.view import View


def use(view: View, *names: str) -> None:
    """Put files of app/console/static into the page's head, in this order."""
    tags = [f'<meta name="nominal-lost" content="{html.escape(SHELL.connection_lost)}">']
    for name in names:
        url = view.url() + asset(name)
        kind = (
            f'<link rel="stylesheet" href="{url}">'
            if name.endswith(".css")
            else f'<script src="{url}"></script>'
        )
        tags.append(kind)
    ui.add_head_html("".join(tags))
