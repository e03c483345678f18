"""Everything that decides what a bank contains and how it scores: one frozen table, strict JSON in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core.errors import ConfigError
from core.features.patches import PatchConfig
from core.input.photograph import InputConfig
from core.search import IndexConfig

LARGEST = 1e300  # of a number in JSON: an integer may be larger than any float
_PARTS = {"input": InputConfig, "patch": PatchConfig, "index": IndexConfig}


@dataclass(frozen=True)
class DetectorConfig:
    """Settings of one bank; the same images, config and seed give the same bank, byte for byte.

    coreset_ratio: share of all nominal patches kept, in (0, 1]. max_bank_vectors: upper bound on the kept.
    min_bank_vectors: how many are kept at least, where there are so many patches; a share of few starves a small set.
    projection: dimensions of the random projection the coreset is searched in. seed: 0 to 2**63 - 1.
    reweight: score by Eq. 7 with ``neighbours`` instead of Eq. 6. sigma: Gaussian of the heatmap, input pixels.
    target_false_reject: share of good parts that may be rejected, in (0, 1). target_review: share that may be
    rejected or sent to review; None means no review band (both thresholds equal). pca: principal components that
    patch vectors are reduced to, at most the backbone's dimensions; None, the default, keeps them whole.
    """

    input: InputConfig = field(default_factory=InputConfig)
    patch: PatchConfig = field(default_factory=PatchConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    coreset_ratio: float = 0.01
    max_bank_vectors: int = 50_000
    min_bank_vectors: int = 2_000
    projection: int = 128
    seed: int = 0
    reweight: bool = False
    neighbours: int = 9
    sigma: float = 4.0
    target_false_reject: float = 0.01
    target_review: float | None = None
    pca: int | None = None

    def __post_init__(self) -> None:
        _require(0 < self.coreset_ratio <= 1, "coreset_ratio must be in (0, 1]", self.coreset_ratio, "0.01")
        _require(
            1 <= self.max_bank_vectors <= 10_000_000,
            "max_bank_vectors must be from 1 to 10,000,000",
            self.max_bank_vectors,
            "50000",
        )
        _require(
            0 <= self.min_bank_vectors <= 10_000_000,
            "min_bank_vectors must be from 0 to 10,000,000",
            self.min_bank_vectors,
            "2000",
        )
        _require(1 <= self.projection <= 4096, "projection must be from 1 to 4096", self.projection, "128")
        _require(0 <= self.seed < 2**63, "seed must be from 0 to 2**63 - 1", self.seed, "0")
        _require(1 <= self.neighbours <= 1000, "neighbours must be from 1 to 1000", self.neighbours, "9")
        _require(
            math.isfinite(self.sigma) and 0 <= self.sigma <= 64,
            "sigma must be from 0 to 64 input pixels",
            self.sigma,
            "4",
        )
        _require(
            0 < self.target_false_reject < 1,
            "target_false_reject must be in (0, 1)",
            self.target_false_reject,
            "0.01",
        )
        _require(
            self.target_review is None or self.target_false_reject <= self.target_review < 1,
            "target_review must be at least target_false_reject and below 1",
            self.target_review,
            "a larger rate, or leave it out",
        )
        _require(
            self.pca is None or 1 <= self.pca <= 4096,
            "pca must be from 1 to 4096 dimensions",
            self.pca,
            "256",
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` turns back into an equal config.

        ``pca``, ``min_bank_vectors`` and ``input.reduced_jpeg`` are left out where they are off: configs were written
        before there were any.
        """
        whole = asdict(self)
        if self.pca is None:
            del whole["pca"]
        if not self.min_bank_vectors:
            del whole["min_bank_vectors"]
        if not self.input.reduced_jpeg:
            del whole["input"]["reduced_jpeg"]
        return whole

    @classmethod
    def from_json(cls, value: Any) -> DetectorConfig:
        """Read a config strictly: an unknown key, a missing one or a wrong type raises ConfigError.

        Only what ``to_json`` leaves out may be missing.
        """
        if isinstance(value, Mapping):
            value = {"pca": None, "min_bank_vectors": 0, **value}
            if isinstance(value.get("input"), Mapping):
                value["input"] = {"reduced_jpeg": False, **value["input"]}
        config: DetectorConfig = _read(cls, value)
        return config


def _read(cls: type[Any], value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ConfigError(
            requirement=f"{cls.__name__} must be an object",
            received=type(value).__name__,
            remedy="pass an object",
        )
    known = {f.name: str(f.type) for f in fields(cls)}
    if set(value) != set(known):
        raise ConfigError(
            requirement=f"{cls.__name__} must have exactly the keys {', '.join(sorted(known))}",
            received=f"unknown {sorted(set(value) - set(known))}, missing {sorted(set(known) - set(value))}",
            remedy="correct the keys' spelling",
        )
    return cls(**{name: _value(cls, name, known[name], value[name]) for name in known})


def _value(cls: type[Any], name: str, declared: str, value: Any) -> Any:
    if name in _PARTS and cls is DetectorConfig:
        return _read(_PARTS[name], value)
    if _fits(declared, value):
        return float(value) if declared.startswith("float") and value is not None else value
    raise ConfigError(
        requirement=f"{cls.__name__}.{name} must be {declared}",
        received=f"{value!r}"[:80],
        remedy="correct the value",
    )


def _fits(declared: str, value: Any) -> bool:
    """Whether a JSON value is of a declared scalar type; bool is no number, a float stays finite."""
    if value is None:
        return declared.endswith("| None")
    kind = declared.removesuffix(" | None")
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int)
    if kind == "float":
        return isinstance(value, (int, float)) and abs(value) < LARGEST  # False for NaN
    return isinstance(value, str)  # Literal types: the class's own check names the choices


def _require(holds: bool, requirement: str, received: object, choice: str) -> None:
    if not holds:
        raise ConfigError(requirement=requirement, received=str(received)[:80], remedy=f"choose {choice}")
