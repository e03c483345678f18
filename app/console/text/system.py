"""Words of the system page: health, recent problems, API keys, about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


def _frozen(**words: str) -> Mapping[str, str]:
    return MappingProxyType(words)


@dataclass(frozen=True)
class System:
    """English."""

    name: str = "System"
    lead: str = "How the server is, what went wrong lately, who may call it, and what it is made of."
    healthy: str = "Everything works"
    warming: str = "Warming up: inspections are answered in a moment"
    draining: str = "Shutting down: nothing new is begun"
    faults: Plural = Plural("{n} thing to look at", "{n} things to look at")
    fault: str = "{name}: {reason}"
    running: str = "Running for {duration}; {n} in flight"
    queue: str = "Queue"
    queue_value: str = "{waiting} of {size}"
    queue_hint: str = "waiting; {ms} an image"
    queue_idle: str = "waiting"
    memory: str = "Memory"
    memory_hint: str = "of this process; {available} left"
    banks: str = "Banks in memory"
    banks_hint: str = "{bytes} of {budget}"
    disk: str = "Disk free"
    disk_hint: str = "uploads stop at {reserve}"
    worker: str = "Build worker"
    worker_runs: str = "Runs"
    worker_down: str = "Does not run"
    worker_none: str = "Elsewhere"
    worker_hint: Plural = Plural("{n} restart", "{n} restarts")
    worker_none_hint: str = "not started by this server"
    database: str = "Database"
    database_hint: str = "answers in {ms}"
    database_down: str = "No answer"
    inference: str = "Inference"
    milliseconds: str = "{n} ms"
    problems: str = "Recent problems"
    problems_hint: str = (
        "Errors this server answered since it started, newest first; at most {most}, kept in memory."
    )
    no_problems: str = "None since the server started."
    times: Plural = Plural("once", "{n} times")
    request: str = "request {id}"
    more_problems: Plural = Plural("and {n} older one", "and {n} older ones")
    keys: str = "API keys"
    keys_hint: str = "Cameras, scripts and people sign in with one. A key is shown once, when it is made."
    keys_admins: str = "Only administrators see and make keys."
    no_keys: str = (
        "No key yet: only this machine may call the server, with every right. Make an administrator's key to open"
        " it to others."
    )
    create: str = "Create key"
    create_title: str = "Create an API key"
    key_name: str = "Name"
    key_name_hint: str = "Who or what uses it, such as 'Line 1 camera'."
    key_name_needed: str = "1 to 100 characters."
    role: str = "Role"
    roles: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            read="Read: looks at everything",
            inspect="Inspect: inspects and reviews too",
            admin="Admin: may change everything",
        )
    )
    first_key: str = (
        "This is the first key, so it is an administrator's. From then on everybody signs in with a key; you are"
        " signed in with this one."
    )
    days: str = "Days it is valid"
    days_hint: str = "Empty: until it is revoked."
    days_needed: str = "More than 0 and at most 36,500."
    shown_title: str = "Copy the key now"
    shown_text: str = "It cannot be shown again. Whoever has it may do what its role allows."
    copy: str = "Copy"
    copied: str = "Copied."
    done: str = "I have copied it"
    rotate: str = "Rotate"
    rotate_title: str = "Rotate {name}"
    rotate_text: str = (
        "A new key of the same name and role takes its place; the old one stays valid for a while."
    )
    overlap: str = "The old key is valid for"
    overlaps: Mapping[int, str] = field(
        default_factory=lambda: MappingProxyType(
            {0: "no longer", 3600: "another hour", 86400: "another day", 604800: "another week"}
        )
    )
    revoke: str = "Revoke"
    revoke_title: str = "Revoke {name}?"
    revoke_text: str = "Whoever uses it is refused from then on. This cannot be undone."
    revoke_own: str = "It is the key you are signed in with: you will be signed out."
    revoked: str = "{name} is revoked."
    id: str = "Id"
    created: str = "Made"
    expires: str = "Expires"
    state: str = "State"
    valid: str = "Valid"
    expired: str = "Expired"
    is_revoked: str = "Revoked"
    you: str = "you"
    never: str = "never"
    about: str = "About"
    part: str = "Part"
    version: str = "Version"
    licence: str = "Licence"
    licences: str = "Parts and licences"
    runtime: str = "Runtime"
    runtime_value: str = "{runtime}, {precision}"
    weights: str = "Weights"
    processor: str = "Processor"
    cores: Plural = Plural("{n} core", "{n} cores")
    python: str = "Python"
    documentation: str = "Documentation"
    docs: str = "API, to try out"
    schema: str = "OpenAPI document"
    metrics: str = "Metrics for Prometheus"
    health: str = "Health as JSON"


SYSTEM = System()
