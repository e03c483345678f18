"""A page and what it is built with: the service, who looks, the bank; and every action's way through role and errors.

A folder of app/console/pages registers its pages here with ``@page``.
"""

from __future__ import annotations

import html
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from nicegui import Client, ui
from starlette.requests import HTTPConnection

from app.console.assets import asset
from app.console.session import SERVICE, visitor
from app.console.words import SHELL
from app.errors import AppError, ForeignOrigin
from app.http.auth import ACTOR
from app.lifecycle import Service
from app.lifecycle.keys import Actor, allows, require
from app.store.errors import KeyRefused
from app.store.schema import Bank, Role
from app.store.store import Store
from core.errors import CoreError
from models.errors import ModelError

log = logging.getLogger(__name__)

V = TypeVar("V")
Builder = Callable[["View"], Awaitable[None]]
Finder = Callable[["View"], Awaitable[str | None]]
SHOWN = (AppError, CoreError, ModelError)
"""Errors that people are shown as they are; any other is logged and called an internal one."""


@dataclass(frozen=True)
class Page:
    """A page: its path under the console, its name in rail and title, its place in the rail (None: not in it).

    ``finds`` gives the id of the bank that a page without one in its path is about, if any.
    """

    path: str
    name: str
    build: Builder
    icon: str | None
    order: int | None
    role: Role
    finds: Finder | None = None

    @property
    def of_bank(self) -> bool:
        """Whether it shows one bank, named in its path."""
        return "{bank}" in self.path


_pages: dict[str, Page] = {}


def page(
    path: str,
    name: str,
    *,
    icon: str | None = None,
    order: int | None = None,
    role: Role = "read",
    finds: Finder | None = None,
) -> Callable[[Builder], Builder]:
    """Register the decorated builder. With ``order`` it is in the rail: 10-19 banks, 20-79 a bank's, 80- system."""

    def registered(build: Builder) -> Builder:
        _pages[path] = Page(path, name, build, icon, order, role, finds)
        return build

    return registered


def all_pages() -> list[Page]:
    """In the rail's order, the others last."""
    return sorted(_pages.values(), key=lambda page: (page.order is None, page.order, page.path))


@dataclass(eq=False)
class View:
    """One browser's look at one page. ``banks`` are those the switcher offers.

    ``bank`` is the one that the page is about (``about_it``), else the one looked at last.
    """

    page: Page
    client: Client
    banks: list[Bank] = field(default_factory=list)
    bank: Bank | None = None
    about_it: bool = False

    @property
    def connection(self) -> HTTPConnection:
        """The request that the page was asked for with."""
        return self.client.request

    @property
    def service(self) -> Service:
        """The service this page's application runs."""
        service: Service = self.connection.scope[SERVICE]
        return service

    @property
    def store(self) -> Store:
        """The service's store."""
        return self.service.store

    @property
    def own_bank(self) -> Bank:
        """The bank that a page of one bank shows."""
        assert self.bank is not None
        return self.bank

    @property
    def actor(self) -> Actor:
        """Who asked for the page; an action asks anew (``handler``)."""
        actor: Actor = self.connection.scope[ACTOR]
        return actor

    @property
    def params(self) -> dict[str, str]:
        """What the path's names stand for."""
        return {name: str(value) for name, value in self.connection.path_params.items()}

    def query(self, name: str) -> str | None:
        """A value of the address after its question mark."""
        return self.connection.query_params.get(name)

    def url(self, *parts: object) -> str:
        """The address of a path under the console, each part escaped: ``url("banks", id, "teach")``."""
        root: str = self.connection.scope.get("root_path", "")
        return root + "".join("/" + quote(str(part), safe="") for part in parts)

    async def run(self, function: Callable[[], V]) -> V:
        """What a blocking function of the service returns, from a background thread."""
        return await self.service.pools.background(function)

    def may(self, role: Role) -> bool:
        """Whether who looks has the role."""
        return allows(self.actor.role, role)

    def why_not(self, role: Role) -> str | None:
        """Why a control is disabled, as a sentence; None where it is not."""
        return None if self.may(role) else SHELL.role_needed.format(needed=role, held=self.actor.role)

    def handler(
        self, function: Callable[..., Awaitable[Any] | Any], role: Role = "read"
    ) -> Callable[[Any], Awaitable[None]]:
        """``function`` as an event handler: only for those who still hold the role, every error shown in plain words.

        It may be a coroutine, and is given the event where it takes an argument.
        """
        wants_event = bool(inspect.signature(function).parameters)

        async def called(*event: Any) -> None:
            given = function(*event)
            if inspect.iscoroutine(given):  # an awaited dialog opens again, and close() gives the dialog
                await given

        async def handled(_: Any = None) -> None:
            await self.attempt(called, role)

        async def told(event: Any) -> None:  # without a default, or NiceGUI gives no event
            await self.attempt(lambda: called(event), role)

        return told if wants_event else handled

    async def attempt(self, function: Callable[[], Awaitable[V]], role: Role = "read") -> V | None:
        """What ``function`` gives for one who still holds the role; None once an error was said."""
        try:
            await self.admit(role)
            return await function()
        except (KeyRefused, ForeignOrigin):
            self.leave()
        except SHOWN as error:
            self.service.observed.problems.note(self.connection.url.path, error)
            self.complain(str(error))
        except Exception as error:
            self.service.observed.problems.note(self.connection.url.path, error)
            log.exception("a console action failed")
            self.complain(SHELL.internal_error)
        return None

    async def admit(self, role: Role) -> Actor:
        """Who acts now. Raises ``KeyRefused`` for a session that ended since, ``RoleTooLow``."""
        actor = self.connection.scope[ACTOR] = await visitor(self.connection)
        return require(actor, role)

    def leave(self) -> None:
        """To the sign-in page, which says why and leads back."""
        here = self.connection.url.path.removeprefix(self.connection.scope.get("root_path", ""))
        self.go(f"{self.url('sign-in')}?reason=ended&next={quote(here)}")

    def use(self, *names: str) -> None:
        """Put files of app/console/static into the page's head, in this order."""
        tags = [f'<meta name="nominal-lost" content="{html.escape(SHELL.connection_lost)}">']
        for name in names:
            url, style = self.url() + asset(name), name.endswith(".css")
            tags.append(
                f'<link rel="stylesheet" href="{url}">' if style else f'<script src="{url}"></script>'
            )
        ui.add_head_html("".join(tags))

    def go(self, url: str) -> None:
        """Open an address that ``url`` gave."""
        self.client.run_javascript(f"window.location.assign({url!r})")

    def reload(self) -> None:
        """Show the page anew from the store."""
        self.client.run_javascript("window.location.reload()")

    def say(self, message: str) -> None:
        """A notice that something was done."""
        self._notice(message, icon="check_circle", classes="n-notice n-good", timeout=4000)

    def complain(self, message: str) -> None:
        """A notice that something was not done, and what to do; it stays until it is closed."""
        self._notice(
            message,
            icon="error",
            classes="n-notice n-bad",
            timeout=0,
            close_button=SHELL.close,
            group=message,
        )

    def _notice(self, message: str, **options: Any) -> None:
        with self.client:
            options["textColor"] = "inherit"  # or Quasar makes it white
            ui.notify(message, position="bottom-right", multi_line=len(message) > 60, **options)
