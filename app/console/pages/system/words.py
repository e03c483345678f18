"""Words of the system page: health, recent problems, API keys, about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class System:
    """English."""

    name: str = "System"
    lead: str = "The server's health, recent problems, who may call it, and what it consists of."
    healthy: str = "Everything works"
    warming: str = "Warming up: inspections will be answered in a moment"
    draining: str = "Shutting down: no new work is accepted"
    faults: Plural = Plural("{n} thing needs attention", "{n} things need attention")
    fault: str = "{name}: {reason}"
    running: str = "Running for {duration}; {n} in flight"
    queue: str = "Queue"
    queue_value: str = "{waiting} of {size}"
    queue_hint: str = "waiting; {ms} per image"
    queue_idle: str = "waiting"
    memory: str = "Memory"
    memory_hint: str = "used by this process; {available} available"
    banks: str = "Banks in memory"
    banks_hint: str = "{bytes} of {budget}"
    disk: str = "Disk free"
    disk_hint: str = "uploads stop at {reserve}"
    worker: str = "Build worker"
    worker_runs: str = "Running"
    worker_down: str = "Not running"
    worker_none: str = "Elsewhere"
    worker_hint: Plural = Plural("{n} restart", "{n} restarts")
    worker_none_hint: str = "not started by this server"
    database: str = "Database"
    database_hint: str = "answers in {ms}"
    database_down: str = "No answer"
    milliseconds: str = "{n} ms"
    folders: str = "Watched folders"
    folders_hint: str = "Images put into them are inspected; counted since this server started."
    folder: str = "Folder"
    folder_bank: str = "Bank"
    folder_state: str = "State"
    folder_waiting: str = "Waiting"
    folder_done: str = "Done"
    folder_failed: str = "Failed"
    folder_error: str = "Last error"
    folder_well: str = "Watching"
    folder_waits: str = "Held up"
    after: Mapping[str, str] = table(keep="files stay", beside="answer beside", move="moved by decision")
    problems: str = "Recent problems"
    problems_hint: str = (
        "Error responses since this server started, newest first; at most {most}, kept in memory."
    )
    no_problems: str = "None since the server started."
    times: Plural = Plural("once", "{n} times")
    request: str = "request {id}"
    more_problems: Plural = Plural("and {n} older one", "and {n} older ones")
    kept: str = "What is kept"
    kept_hint: str = (
        "Set by NOMINAL_IMAGE_KEEP and NOMINAL_RETAIN_..._DAYS; nominal images and versions stay."
    )
    images_kept: str = "Images of inspections"
    policies: Mapping[str, str] = table(
        all="All", sample="Not accepted, and a sample", rejected="Only of parts not accepted", none="None"
    )
    sample: str = "{n} accepted ones per version, {size} per bank"
    days_kept: Mapping[str, str] = table(
        accept="Accepted inspections",
        review="Inspections to review",
        reject="Rejected inspections",
        reviewed="Reviewed inspections",
    )
    day_count: Plural = Plural("{n} day", "{n} days")
    for_ever: str = "Until deleted"
    backup: str = "Last backup"
    backup_none: str = "None recorded"
    backup_none_hint: str = "nominal store backup FILE makes one while the server runs"
    keys: str = "API keys"
    keys_hint: str = "Cameras, scripts and people sign in with a key. It is shown once, when it is created."
    keys_admins: str = "Only administrators see and create keys."
    no_keys: str = (
        "No key yet: only this machine may call the server, and it may do everything. Create an administrator's key"
        " to give others access."
    )
    people: str = "People"
    people_hint: str = "Who signed in at the sign-in provider, with the role it gave them the last time."
    nobody: str = "Nobody yet."
    last_sign_in: str = "Last sign-in"
    sign_out_person: str = "Sign out everywhere"
    no_keys_yet: str = "No key yet. Cameras and scripts need one; people sign in at the provider."
    create: str = "Create key"
    create_title: str = "Create an API key"
    key_name: str = "Name"
    key_name_hint: str = "Who or what uses it, such as 'Line 1 camera'."
    key_name_needed: str = "1 to 100 characters."
    role: str = "Role"
    only: str = "only {names}"
    roles: Mapping[str, str] = table(
        read="Read: may look at everything",
        inspect="Inspect: may also inspect and review",
        admin="Admin: may change everything",
    )
    first_key: str = (
        "This is the first key, so it is an administrator's. From then on everybody signs in with a key; you are"
        " signed in with this one."
    )
    days: str = "Days until it expires"
    days_hint: str = "Empty: as long as this server allows; without a limit, it does not expire."
    days_needed: str = "More than 0 and at most 36,500."
    shown_title: str = "Copy the key now"
    shown_text: str = "It cannot be shown again. Anyone who has it may do what its role allows."
    limits: str = "Limits"
    limits_title: str = "Limits of {name}"
    limits_text: str = (
        "A line comes before all others. A guaranteed share keeps a key going beside others of a higher priority."
        " Quotas count on each server; past them requests are refused with 429."
    )
    save: str = "Save"
    priority: str = "Priority"
    priorities: Mapping[str, str] = table(
        {"": "Of the bank", "line": "Line: first", "normal": "Normal", "background": "Background: last"}
    )
    share: str = "Guaranteed share, percent"
    share_needed: str = "More than 0 and at most 90."
    quotas: Mapping[str, str] = table(
        requests_per_minute="Requests per minute",
        bytes_per_minute="Bytes per minute",
        in_flight="Requests at once",
    )
    quota_needed: str = "A whole number above 0."
    limited: Mapping[str, str] = table(
        priority="priority {n}",
        share="share {n:.0%}",
        requests_per_minute="{n:,} requests per minute",
        bytes_per_minute="{n:,} bytes per minute",
        in_flight="{n:,} at once",
    )
    link: str = "Sign-in link"
    link_title: str = "Copy the sign-in link now"
    link_text: str = "It signs one browser in as {name}, once, until {until}. It cannot be shown again."
    rotate: str = "Rotate"
    rotate_title: str = "Rotate {name}"
    rotate_text: str = (
        "A new key with the same name, role, limits and end replaces it; the old one can stay valid"
        " for a while."
    )
    overlap: str = "The old key stays valid for"
    overlaps: Mapping[int, str] = table(
        {0: "no time", 3600: "another hour", 86400: "another day", 604800: "another week"}
    )
    revoke: str = "Revoke"
    revoke_title: str = "Revoke {name}?"
    revoke_text: str = "Anyone who uses it is refused from then on. This cannot be undone."
    revoke_own: str = "You are signed in with this key: you will be signed out."
    id: str = "Id"
    created: str = "Created"
    expires: str = "Expires"
    state: str = "State"
    valid: str = "Valid"
    expired: str = "Expired"
    is_revoked: str = "Revoked"
    you: str = "you"
    never: str = "never"
    about: str = "About"
    part: str = "Component"
    version: str = "Version"
    licence: str = "Licence"
    licences: str = "Components and licences"
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
