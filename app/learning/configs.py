"""A bank's configuration as JSON: what a caller leaves out keeps its value, what no config has is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inspection.thresholds import rates
from app.store.schema import Bank
from core.config import DetectorConfig
from core.errors import ConfigError

JsonObject = dict[str, Any]


def default_config() -> JsonObject:
    """Of a new bank."""
    return DetectorConfig().to_json()


def merged(base: JsonObject, change: Mapping[str, Any]) -> JsonObject:
    """``base`` with ``change`` laid over it, objects key by key. Raises ConfigError."""
    laid = dict(base)
    for name, value in change.items():
        known = laid.get(name)
        laid[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
    try:
        return DetectorConfig.from_json(laid).to_json()
    except (TypeError, ValueError, OverflowError) as error:  # a number no check of a range expects
        raise ConfigError(
            requirement="a config must hold values in their ranges",
            received=str(error)[:200],
            remedy="correct it",
        ) from None


def config_to_build(bank: Bank, change: Mapping[str, Any]) -> DetectorConfig:
    """What a build of a bank takes: its config, its target rates, and this build's own changes over both."""
    config = bank.config
    reject, review = rates(bank, config["target_false_reject"], config["target_review"])
    return DetectorConfig.from_json(
        merged(config | {"target_false_reject": reject, "target_review": review}, change)
    )
