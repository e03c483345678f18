"""Which pages there are: a file of app/console/pages puts its own here with ``@page``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.schema import Role

if TYPE_CHECKING:
    from app.console.view import View

Builder = Callable[["View"], Awaitable[None]]


@dataclass(frozen=True)
class Page:
    """A page: its path under the console, its name in rail and title, its place in the rail (None: not in it)."""

    path: str
    name: str
    build: Builder
    icon: str | None
    order: int | None
    role: Role

    @property
    def of_bank(self) -> bool:
        """Whether it shows one bank, named in its path."""
        return "{bank}" in self.path


_pages: dict[str, Page] = {}


def page(
    path: str, name: str, *, icon: str | None = None, order: int | None = None, role: Role = "read"
) -> Callable[[Builder], Builder]:
    """Register the decorated builder. With ``order`` it stands in the rail: 10-19 banks, 20-79 a bank's, 80- system."""

    def registered(build: Builder) -> Builder:
        _pages[path] = Page(path, name, build, icon, order, role)
        return build

    return registered


def all_pages() -> list[Page]:
    """In the rail's order, the others last."""
    return sorted(_pages.values(), key=lambda page: (page.order is None, page.order, page.path))
