"""Words of every page: decisions, counts, times, the frame around a page, signing in, and what can go wrong anywhere.

A page's own words are in its folder. Every table is frozen; a translation replaces the tables and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


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
    teach: str = "Teach this bank"
    now: str = "just now"
    minutes_ago: Plural = Plural("{n} minute ago", "{n} minutes ago")
    hours_ago: Plural = Plural("{n} hour ago", "{n} hours ago")
    days_ago: Plural = Plural("{n} day ago", "{n} days ago")
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
    switch_bank: str = "Switch bank"
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
    role: str = "Role: {role}"
    sign_out: str = "Sign out"
    health_ok: str = "Healthy"
    health_warming: str = "Warming up"
    health_degraded: str = "Needs attention: {faults}"
    health_draining: str = "Shutting down"
    close: str = "Close"
    cancel: str = "Cancel"
    retry: str = "Try again"
    load_more: str = "Show more"
    role_needed: str = "This needs the role {needed}; your key has the role {held}."
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
    api_key: str = "API key"
    api_key_hint: str = "An administrator creates one with: nominal keys create"
    key_refused: str = "This key is not valid. Check that you copied all of it, or ask for a new one."
    session_ended: str = (
        "Your session has ended, or its key was revoked. Sign in again; nothing saved is lost."
    )
    signed_out: str = "You are signed out."
    no_keys_needed: str = "No API key exists yet: on this machine the console opens without signing in."
    open_console: str = "Open the console"


WORDS = Words()
SHELL = Shell()
