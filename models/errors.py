"""Every error a backbone or its weights can raise: each says requirement, received and remedy."""

from __future__ import annotations


class ModelError(Exception):
    """Root of the tree. ``str(error)`` reads as one sentence each: requirement, received, remedy."""

    def __init__(self, requirement: str, received: str, remedy: str) -> None:
        super().__init__(f"{_sentence(requirement)}; received {received}. {_sentence(remedy).rstrip('.')}.")
        self.requirement = requirement
        self.received = received
        self.remedy = remedy


def _sentence(text: str) -> str:
    """Capitalised, unless it begins with a setting's name such as ``coreset_ratio``."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


class UnknownBackbone(ModelError):
    """No backbone of that name is in the table."""


class WeightsNotFound(ModelError):
    """The weights are not on this machine and could not be downloaded."""


class WeightsRefused(ModelError):
    """Root of everything a weights file can be refused for."""


class WeightsCorrupt(WeightsRefused):
    """The file is not a readable weights file, or holds NaN or infinite values."""


class WeightsWrongArchitecture(WeightsRefused):
    """A tensor that the layers need is absent or has another shape."""


class WeightsWrongDigest(WeightsRefused):
    """The file's digest is not the one the backbone's table pins."""


class RuntimeUnavailable(ModelError):
    """The asked runtime or precision is not installed or not supported by this processor."""


class WeightsNotWritten(ModelError):
    """The weights could not be written where they were to go."""


class InputRefused(ModelError):
    """The batch given to a backbone has another shape or dtype than it documents."""
