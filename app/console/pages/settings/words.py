"""Words of the page of a bank's settings, and of the advice on them."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural


@dataclass(frozen=True)
class Settings:
    """English."""

    name: str = "Settings"
    lead: str = "{bank}: what its next build learns with. Versions that are built stay as they are."
    form: str = "For the next build"
    form_hint: str = "Rates and thresholds are on the page Thresholds, the mask on the page Teach."
    save: str = "Save"
    saved: str = "Saved. Build a version to learn with these settings."
    to_teach: str = "To the build"


@dataclass(frozen=True)
class Advice:
    """English."""

    name: str = "Advice"
    hint: str = (
        "Tries other settings on some of the nominal images and judges them by defects drawn on good parts. It takes "
        "about as long as three builds at most, and changes nothing."
    )
    start: str = "Ask for advice"
    cancel: str = "Cancel"
    never: str = "Not asked yet"
    queued: str = "Waiting for the worker"
    running: str = "{stage}: {done} of {total}"
    failed: str = "The advice failed. {why}"
    cancelled: str = "Cancelled"
    current: str = "Asked {time}"
    stale: str = "Asked {time}. The settings have changed since; ask again."
    take: str = "Use these settings"
    taken: str = "The settings are changed. Build a version to learn with them."
    setting: str = "Setting"
    as_given: str = "As they are"
    found: str = "Defects found"
    kinds: str = "By kind"
    auroc: str = "AUROC"
    spread: str = "Spread"
    time: str = "Time"
    memory: str = "Bank"
    gain: str = "Gain in found, interval"
    count: str = "{found} of {of}"
    kind: str = "{kind} {found} of {of}"
    milliseconds: str = "{n} ms"
    interval: str = "{found}, {low} to {high}"
    not_tried: Plural = Plural("{n} setting was not tried", "{n} settings were not tried")
    why_not: str = "{setting}: {why}."


SETTINGS, ADVICE = Settings(), Advice()
