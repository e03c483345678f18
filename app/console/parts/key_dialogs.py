"""The dialogs of API keys: a new one, one in an old one's place, and the text that is shown once."""

from __future__ import annotations

import json

from nicegui import ui

from app.console.entrance import SESSIONS
from app.console.parts.elements import block
from app.console.session import COOKIE, Sessions
from app.console.text.system import SYSTEM as TEXT
from app.console.view import View
from app.console.widgets.buttons import danger, primary, secondary
from app.console.widgets.dialogs import actions, dialog, show
from app.lifecycle.keys import LOCAL
from app.store.schema import ApiKey

FIELD = "outlined dense hide-bottom-space"
MOST_DAYS = 36_500


def ask_new_key(view: View) -> None:
    """Name, role, days; then its text. The first key is an administrator's, who is signed in with it at once."""
    first = view.actor.id == LOCAL
    made, card = dialog(TEXT.create_title)
    with card:
        name = ui.input(TEXT.key_name, validation=_name_fault).props(
            f'{FIELD} autofocus maxlength=100 hint="{TEXT.key_name_hint}"'
        )
        role = ui.select(dict(TEXT.roles), label=TEXT.role, value="admin" if first else "inspect").props(
            FIELD
        )
        role.set_enabled(not first)
        days = ui.number(TEXT.days, validation=_days_fault).props(f'{FIELD} hint="{TEXT.days_hint}"')
        if first:
            ui.label(TEXT.first_key).classes("n-caption")

        async def create() -> None:
            if not (name.validate() and days.validate()):
                return
            asked = name.value.strip(), role.value, days.value
            text, key = await view.run(lambda: view.service.admission.create(*asked, view.actor.id))
            made.close()
            if first:
                _sign_in(view, text, key)
            show_once(view, text)

        with actions(view, made):
            primary(view, TEXT.create, create, role="admin")
    show(made)


def ask_rotation(view: View, key: ApiKey) -> None:
    """How long the old key lives on; then the new one's text."""
    made, card = dialog(TEXT.rotate_title.format(name=key.name))
    with card:
        ui.label(TEXT.rotate_text)
        overlap = ui.select(dict(TEXT.overlaps), label=TEXT.overlap, value=3600).props(FIELD)

        async def rotate() -> None:
            text, new = await view.run(
                lambda: view.service.admission.rotate(key.id, float(overlap.value), view.actor.id)
            )
            made.close()
            if key.id == view.actor.id:
                _sign_in(view, text, new)
            show_once(view, text)

        with actions(view, made):
            primary(view, TEXT.rotate, rotate, role="admin")
    show(made)


def ask_revocation(view: View, key: ApiKey) -> None:
    """A question first; revoking one's own key signs one out."""
    made, card = dialog(TEXT.revoke_title.format(name=key.name))

    async def revoke() -> None:
        await view.run(lambda: view.service.admission.revoke(key.id, view.actor.id))
        made.close()
        view.reload()

    with card:
        ui.label(TEXT.revoke_text)
        if key.id == view.actor.id:
            ui.label(TEXT.revoke_own).classes("n-strong")
        with actions(view, made):
            danger(view, TEXT.revoke, revoke, role="admin")
    show(made)


def show_once(view: View, key: str) -> None:
    """The key's text, until the dialog is closed by its button."""
    with view.client:  # not in the dialog that was just closed
        made, card = dialog(TEXT.shown_title)
    made.props("persistent")
    with card:
        ui.label(TEXT.shown_text)
        with block("n-key-text"):
            shown = block("n-key-value", "input", type="text", readonly=True, value=key, spellcheck="false")
            shown.props["aria-label"] = TEXT.shown_title
            copy = secondary(view, TEXT.copy, lambda: view.say(TEXT.copied), icon="content_copy")
            copy.on("click", js_handler="() => nominal.copy('.n-key-value')")
        with ui.element("div").classes("n-row n-dialog-actions"):
            primary(view, TEXT.done, view.reload)
    show(made)


def _sign_in(view: View, text: str, key: ApiKey) -> None:
    """Go on as the new key: this page at once, the browser by a cookie that the sign-in gives it."""
    sessions: Sessions = view.connection.scope[SESSIONS]
    view.connection.cookies[COOKIE] = sessions.issue(key.id)
    view.client.run_javascript(f"nominal.signIn({json.dumps(view.url('sign-in'))}, {json.dumps(text)})")


def _name_fault(value: str | None) -> str | None:
    return None if 1 <= len((value or "").strip()) <= 100 else TEXT.key_name_needed


def _days_fault(value: float | None) -> str | None:
    return None if value is None or 0 < value <= MOST_DAYS else TEXT.days_needed
