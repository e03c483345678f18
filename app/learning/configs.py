"""A bank's configuration as JSON: what a caller leaves out keeps its value, what no config has is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inspection.thresholds import rates
from app.store.schema import Bank
from core.config import DetectorConfig

JsonObject = dict[str, Any]


def default_config() -> JsonObject:
    """Of a new bank."""
    return DetectorConfig().to_json()


def merged(base: JsonObject, change: Mapping[str, Any]) -> JsonObject:
    """``base`` with ``change`` laid over it, objects key by key. Raises ConfigError."""
    return DetectorConfig.from_json(base).changed(change).to_json()


def config_to_build(bank: Bank, change: Mapping[str, Any]) -> DetectorConfig:
    """What a build of a bank takes: its config, its target rates, and this build's own changes over both."""
    config = bank.config
    reject, review = rates(bank, config["target_false_reject"], config["target_review"])
    rated = config | {"target_false_reject": reject, "target_review": review}
    return DetectorConfig.from_json(rated).changed(change)
