"""Who may call: tables of keys and people, and the dialogs that create, rotate and revoke a key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial

from nicegui import ui

from app.console.pages.system.words import SYSTEM as TEXT
from app.console.session import COOKIE, SESSIONS, Sessions
from app.console.view import View
from app.console.widgets.blocks import badge, block, table, text
from app.console.widgets.controls import (
    danger,
    form,
    number_field,
    number_in,
    secondary,
    show_once,
)
from app.console.words import age, moment
from app.lifecycle.keys import LOCAL
from app.store.key_limits import MOST, MOST_SHARE, KeyLimits
from app.store.schema import ApiKey, Person

FIELD = "outlined dense hide-bottom-space"
MOST_DAYS = 36_500


def key_table(view: View, rows: list[ApiKey]) -> None:
    """Valid ones first."""
    heads = TEXT.key_name, TEXT.id, TEXT.role, TEXT.created, TEXT.expires, TEXT.state, ""
    with block("n-table-section"), table(*heads):
        for row in sorted(rows, key=lambda row: not is_valid(row)):
            _row(view, row)


def is_valid(row: ApiKey) -> bool:
    """Neither revoked nor past its time."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > datetime.now(UTC))


def _row(view: View, row: ApiKey) -> None:
    own = f" ({TEXT.you})" if row.id == view.actor.id and row.id != LOCAL else ""
    with ui.element("tr").mark(f"key-{row.id}"):
        text(f"{row.name}{own}", "n-strong", "td")
        text(row.id, "n-id", "td")
        limits = [*(row.banks or ()), *(row.stations or ())]
        said = [TEXT.roles[row.role].partition(":")[0]]
        if limits:
            said.append(TEXT.only.format(names=", ".join(limits)))
        said += [TEXT.limited[name].format(n=value) for name, value in (row.limits or {}).items()]
        text(", ".join(said), tag="td")
        text(age(row.created_at), "n-caption", "td").props["title"] = moment(row.created_at)
        text(moment(row.expires_at) if row.expires_at else TEXT.never, "n-caption", "td")
        with ui.element("td"):
            _state(row)
        with ui.element("td"), block("n-row n-key-actions"):
            if is_valid(row):
                secondary(view, TEXT.limits, lambda: ask_limits(view, row), role="admin")
                secondary(view, TEXT.link, lambda: make_link(view, row), role="admin")
                secondary(view, TEXT.rotate, lambda: ask_rotation(view, row), role="admin")
                secondary(view, TEXT.revoke, lambda: ask_revocation(view, row), role="admin")


def _state(row: ApiKey) -> None:
    if row.revoked_at is not None:
        badge(TEXT.is_revoked, "block")
    elif is_valid(row):
        badge(TEXT.valid, "check_circle", "accept")
    else:
        badge(TEXT.expired, "schedule")


def people_table(view: View, rows: list[Person]) -> None:
    """Those who signed in at the provider; each can be signed out everywhere."""
    heads = TEXT.key_name, TEXT.id, TEXT.role, TEXT.last_sign_in, ""
    with block("n-table-section"), table(*heads):
        for row in rows:
            own = f" ({TEXT.you})" if row.id == view.actor.id else ""
            with ui.element("tr").mark(row.id):
                text(f"{row.name}{own}", "n-strong", "td")
                text(row.id, "n-id", "td")
                text(TEXT.roles[row.role].partition(":")[0], tag="td")
                text(age(row.signed_in_at), "n-caption", "td").props["title"] = moment(row.signed_in_at)
                with ui.element("td"):
                    secondary(view, TEXT.sign_out_person, partial(_sign_out, view, row), role="admin")


async def _sign_out(view: View, row: Person) -> None:
    await view.run(lambda: view.service.admission.end_sessions(row.id, view.actor.id))
    view.reload()


def ask_new_key(view: View) -> None:
    """Name, role, days; then its text. The first key is an administrator's, who is signed in with it at once."""
    first = view.actor.id == LOCAL

    async def create() -> None:
        if not (name.validate() and days.validate()):
            return
        asked = name.value.strip(), role.value, number_in(days)
        text, key = await view.run(lambda: view.service.admission.create(*asked, view.actor.id))
        _hand_over(view, made, text, key, sign_in=first)

    with form(view, TEXT.create_title, TEXT.create, create) as made:
        name = ui.input(TEXT.key_name, validation=_name_fault).props(
            f'{FIELD} autofocus maxlength=100 hint="{TEXT.key_name_hint}"'
        )
        role = ui.select(dict(TEXT.roles), label=TEXT.role, value="admin" if first else "inspect").props(
            FIELD
        )
        role.set_enabled(not first)
        days = number_field(TEXT.days, None, needed=False, fault=_days_fault)
        days.props(f'{FIELD} hint="{TEXT.days_hint}"')
        if first:
            ui.label(TEXT.first_key).classes("n-caption")


def ask_limits(view: View, key: ApiKey) -> None:
    """A priority, a guaranteed share and quotas; an empty field is no limit."""
    now = KeyLimits.of(key.limits)

    async def change() -> None:
        if not all(field.validate() for field in (share, *quotas.values())):
            return
        given = {name: None if (n := number_in(field)) is None else int(n) for name, field in quotas.items()}
        percent = number_in(share)
        given_share = None if percent is None else percent / 100
        said: dict[str, object] = {"priority": priority.value or None, "share": given_share, **given}
        await view.run(lambda: view.service.admission.limit(key.id, said, view.actor.id))
        made.close()
        view.reload()

    with form(view, TEXT.limits_title.format(name=key.name), TEXT.save, change) as made:
        ui.label(TEXT.limits_text).classes("n-caption")
        priority = ui.select(dict(TEXT.priorities), label=TEXT.priority, value=now.priority or "").props(
            FIELD
        )
        shown = round(100 * now.share, 6) if now.share else None
        share = number_field(TEXT.share, shown, needed=False, fault=_share_fault).props(FIELD)
        quotas = {
            name: number_field(words, getattr(now, name), needed=False, fault=_quota_fault).props(FIELD)
            for name, words in TEXT.quotas.items()
        }


def ask_rotation(view: View, key: ApiKey) -> None:
    """How long the old key lives on; then the new one's text."""

    async def rotate() -> None:
        text, new = await view.run(
            lambda: view.service.admission.rotate(key.id, float(overlap.value), view.actor.id)
        )
        _hand_over(view, made, text, new, sign_in=key.id == view.actor.id)

    with form(view, TEXT.rotate_title.format(name=key.name), TEXT.rotate, rotate) as made:
        ui.label(TEXT.rotate_text)
        overlap = ui.select(dict(TEXT.overlaps), label=TEXT.overlap, value=3600).props(FIELD)


def ask_revocation(view: View, key: ApiKey) -> None:
    """A question first; revoking one's own key signs one out."""

    async def revoke() -> None:
        await view.run(lambda: view.service.admission.revoke(key.id, view.actor.id))
        made.close()
        view.reload()

    title = TEXT.revoke_title.format(name=key.name)
    with form(view, title, TEXT.revoke, revoke, button=danger) as made:
        ui.label(TEXT.revoke_text)
        if key.id == view.actor.id:
            ui.label(TEXT.revoke_own).classes("n-strong")


def _hand_over(view: View, made: ui.dialog, key: str, row: ApiKey, *, sign_in: bool) -> None:
    """Close the dialog; show the key's text in another, until its button is pressed. One may go on as that key."""
    made.close()
    if sign_in:
        _sign_in(view, key, row)
    show_once(view, TEXT.shown_title, TEXT.shown_text, key)


async def make_link(view: View, key: ApiKey) -> None:
    """A link to sign in by, made and shown once. Its address is the one by which this page was reached."""
    text, link = await view.run(lambda: view.store.links.make(key.id, actor=view.actor.id))
    here = view.connection.url
    url = f"{here.scheme}://{here.netloc}{view.url('sign-in', 'link')}#{text}"
    show_once(view, TEXT.link_title, TEXT.link_text.format(name=key.name, until=moment(link.expires_at)), url)


def _sign_in(view: View, text: str, key: ApiKey) -> None:
    """Go on as the new key: this page at once, the browser by a cookie that the sign-in gives it."""
    sessions: Sessions = view.connection.scope[SESSIONS]
    view.connection.cookies[COOKIE] = sessions.issue(key.id)
    view.client.run_javascript(f"nominal.signIn({json.dumps(view.url('sign-in'))}, {json.dumps(text)})")


def _name_fault(value: str | None) -> str | None:
    return None if 1 <= len((value or "").strip()) <= 100 else TEXT.key_name_needed


def _share_fault(value: float) -> str | None:
    return None if 0 < value <= 100 * MOST_SHARE else TEXT.share_needed


def _quota_fault(value: float) -> str | None:
    return None if value == int(value) and 0 < value <= MOST else TEXT.quota_needed


def _days_fault(value: float) -> str | None:
    return None if 0 < value <= MOST_DAYS else TEXT.days_needed
