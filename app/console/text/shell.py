"""Words of the frame around every page, of signing in, and of what can go wrong anywhere."""

from __future__ import annotations

from dataclasses import dataclass


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
    system: str = "As the system"
    account: str = "Account"
    local_user: str = "This machine, no keys"
    local_hint: str = "No API key is configured, so only this machine may use the console, with every right."
    signed_in: str = "Key {id}"
    role: str = "Role: {role}"
    sign_out: str = "Sign out"
    health_ok: str = "Healthy"
    health_warming: str = "Warming up"
    health_degraded: str = "Look at: {faults}"
    health_draining: str = "Shutting down"
    close: str = "Close"
    cancel: str = "Cancel"
    back: str = "Back"
    retry: str = "Try again"
    load_more: str = "Show more"
    loading: str = "Loading"
    role_needed: str = "This needs the role {needed}; your key has the role {held}."
    internal_error: str = "An internal error. The server's log says more; what was saved before is safe."
    not_shown: str = "This page cannot be shown"
    connection_lost: str = "The connection to the server is lost."
    reconnecting: str = "Nothing saved is lost. This page goes on by itself once the server answers."
    message_too_long: str = "Too much at once"
    message_too_long_body: str = "The browser sent more than one message may hold. Try with less."
    sign_in: str = "Sign in"
    sign_in_lead: str = "Learns what a good part looks like, and shows what differs."
    api_key: str = "API key"
    api_key_hint: str = "An administrator makes one with: nominal keys create"
    key_refused: str = "This key is not valid. Check that it was copied whole, or ask for a new one."
    session_ended: str = (
        "Your session has ended, or its key was revoked. Sign in again; what was saved is safe."
    )
    signed_out: str = "You are signed out."
    no_keys_needed: str = "No API key is configured: on this machine the console opens without signing in."
    open_console: str = "Open the console"


SHELL = Shell()
