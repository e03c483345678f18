"""Words of every page: decisions, counts, the frame around a page, signing in, what can go wrong; numbers and times.

A page's own words are in its folder. Every table is frozen; a translation replaces the tables and nothing else. Numbers
and times are as people read them: English, digits grouped, short; and round numbers for an axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from core.judging.scoring import UNLOCATED

NUMBER = re.compile(r"\d+([.,]\d*)?|[.,]\d+")
UNITS = ("B", "kB", "MB", "GB", "TB")


def table(words: Mapping[Any, str] | None = None, /, **named: str) -> Any:
    """A field of a table of words that is a frozen table itself: words by key, or by name."""
    return field(default_factory=lambda: MappingProxyType({**(words or {}), **named}))


@dataclass(frozen=True)
class Plural:
    """``one`` and ``many`` hold ``{n}``; called with a count it gives the one that fits, digits grouped."""

    one: str
    many: str

    def __call__(self, n: int) -> str:
        return (self.one if n == 1 else self.many).format(n=f"{n:,}")


@dataclass(frozen=True)
class Words:
    """English."""

    decisions: Mapping[str, str] = table(accept="Accept", review="Review", reject="Reject")
    not_located: str = "not located"
    teach: str = "Teach this bank"
    now: str = "just now"
    minutes_ago: Plural = Plural("{n} minute ago", "{n} minutes ago")
    hours_ago: Plural = Plural("{n} hour ago", "{n} hours ago")
    days_ago: Plural = Plural("{n} day ago", "{n} days ago")
    not_a_number: str = "Enter a number, such as 2.5."
    seconds: str = "{n} s"
    minutes: str = "{m} min {s} s"
    hours: str = "{h} h {m} min"


@dataclass(frozen=True)
class Shell:
    """English."""

    product: str = "Nominal"
    title: str = "{page} · Nominal"
    skip: str = "Skip to content"
    navigation: str = "Pages"
    this_bank: str = "This bank"
    no_bank_yet: str = "Create a bank first."
    switch_bank: str = "{bank}, switch bank"
    all_banks: str = "All banks"
    theme: str = "Appearance"
    light: str = "Light"
    dark: str = "Dark"
    system: str = "Same as the system"
    account: str = "Account"
    local_user: str = "This machine, no keys"
    local_hint: str = (
        "No API key exists yet, so only this machine may use the console, and it may do everything."
    )
    signed_in: str = "Key {id}"
    signed_in_person: str = "Named {id} in the records"
    role: str = "Role: {role}"
    sign_out: str = "Sign out"
    health_ok: str = "Healthy"
    health_warming: str = "Warming up"
    health_degraded: str = "Needs attention: {faults}"
    health_draining: str = "Shutting down"
    close: str = "Close"
    copy: str = "Copy"
    copied: str = "Copied."
    done: str = "I have copied it"
    cancel: str = "Cancel"
    retry: str = "Try again"
    load_more: str = "Show more"
    role_needed: str = "This needs the role {needed}; you have the role {held}."
    internal_error: str = (
        "An internal error occurred. The server's log has the details; nothing saved is lost."
    )
    not_shown: str = "This page cannot be shown"
    connection_lost: str = "The connection to the server is lost."
    reconnecting: str = "Nothing saved is lost. This page continues by itself once the server answers."
    message_too_long: str = "Too much at once"
    message_too_long_body: str = "The browser sent more than one message may hold. Try again with less."
    sign_in: str = "Sign in"
    sign_in_lead: str = "Learns what a good part looks like and shows what differs."
    your_name: str = "Name"
    your_name_hint: str = "Optional: under this name your browser's password manager stores the key."
    api_key: str = "API key"
    api_key_hint: str = (
        "An administrator creates one with: nominal keys create; or a sign-in link, on System."
    )
    by_link: str = "This link signs this browser in once, as the key that it was made for."
    links_refused: Mapping[str, str] = table(
        used="This sign-in link was used already. Each signs in once; ask an administrator for another one.",
        expired="The time of this sign-in link is over. Ask an administrator for another one.",
        unknown="This sign-in link is not known. Copy all of it, or ask an administrator for another one.",
    )
    sign_in_with: str = "Sign in with {provider}"
    or_by_key: str = "or with an API key"
    arrived: str = "Signed in as {name}"
    sign_in_refused: Mapping[str, str] = table(
        denied="You were not signed in: the sign-in was cancelled, or refused by the provider.",
        stale="This sign-in took too long, or another one was begun after it. Sign in again.",
        no_role="You were recognised, but you have no role here. Ask an administrator for one.",
        provider="The sign-in provider cannot be used at the moment. Try again, or sign in with an API key.",
    )
    key_refused: str = "This key is not valid. Check that you copied all of it, or ask for a new one."
    key_limited: str = "This key is limited to banks or stations. The console needs one that is not."
    session_ended: str = (
        "Your session has ended, or its key was revoked. Sign in again; nothing saved is lost."
    )
    signed_out: str = "You are signed out."
    no_keys_needed: str = "No API key exists yet: on this machine the console opens without signing in."
    open_console: str = "Open the console"


WORDS = Words()
SHELL = Shell()


def percent(share: float) -> str:
    """A share as per cent with as many digits as it needs: 0.01 -> 1 %."""
    return f"{share * 100:.3g}\N{NO-BREAK SPACE}%"


def decimal(typed: str | None) -> float | None:
    """A number as people type it, with a point or a comma before its decimals: 2,4 is 2.4. None for anything else."""
    said = (typed or "").strip()
    return float(said.replace(",", ".")) if NUMBER.fullmatch(said) else None


def plain(value: float) -> str:
    """A number as people would type it: 0.5, 5, 41.25."""
    return f"{value:.10g}"


def size(count: float) -> str:
    """Bytes in units of 1,000."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g}\N{NO-BREAK SPACE}{UNITS[unit]}"


def score(value: float) -> str:
    """A score or threshold, three decimals; of a part that was not located, that."""
    return WORDS.not_located if value >= UNLOCATED else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    whole = round(seconds)
    if whole < 60:
        return WORDS.seconds.format(n=f"{seconds:.1f}" if seconds < 10 else whole)
    if whole < 3600:
        return WORDS.minutes.format(m=whole // 60, s=whole % 60)
    return WORDS.hours.format(h=whole // 3600, m=whole % 3600 // 60)


def moment(time: datetime) -> str:
    """UTC, to the minute; console.js shows it in the browser's own zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def age(time: datetime, now: datetime | None = None) -> str:
    """How long ago."""
    minutes = int(((now or datetime.now(UTC)) - time).total_seconds() // 60)
    if minutes < 1:
        return WORDS.now
    if minutes < 60:
        return WORDS.minutes_ago(minutes)
    return WORDS.hours_ago(minutes // 60) if minutes < 48 * 60 else WORDS.days_ago(minutes // 1440)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between ``low`` and ``high``, about ``most`` of them."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
