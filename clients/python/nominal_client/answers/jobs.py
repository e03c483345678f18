"""Builds, and the versions they leave."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer, JsonObject


class Job(Answer):
    """A build, screening, check, advice or patterns. ``seconds_left`` is of the present stage, at its speed so far."""

    id: str
    bank: str
    kind: Literal["build", "screening", "check", "advice", "patterns"]
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    stage: str | None = Field(
        description="features, coreset, index, calibration, saving or warming; of a check loading, scoring, saving; "
        "of advice what it tries; of patterns loading, nominal, rejects, patterns."
    )
    done: int
    total: int
    seconds_left: float | None
    cancel_requested: bool
    error: JsonObject | None = Field(description="The problem it failed with.")
    version: int | None = Field(description="The version it made, if it is a build.")
    not_activated: str | None = Field(
        description="Why that version did not become the active one, as was asked: it does not support the bank's "
        "rates or thresholds."
    )
    waits_for: str | None = Field(description="What no running server has, that a queued job needs.")
    attempts: int
    request: JsonObject
    actor: str
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None


class Version(Answer):
    """One immutable build of a bank. ``summary`` says what it holds and what its threshold promises."""

    bank: str
    number: int
    state: Literal["ok", "quarantined"]
    reason: str | None = Field(description="Why it is quarantined, or was built and not activated.")
    sha256: str
    bytes: int
    job_id: str | None
    summary: JsonObject
    created_at: datetime
    active: bool


class VersionList(Answer):
    """All versions of a bank, newest first."""

    items: list[Version]
