"""How every error here reads (requirement, received, remedy), and those that the algorithm can raise, as one tree."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """What core and app refuse. ``str(error)`` reads as one sentence each: requirement, received, remedy."""

    def __init__(self, requirement: str, received: str, remedy: str) -> None:
        super().__init__(f"{_sentence(requirement)}; received {received}. {_sentence(remedy).rstrip('.')}.")
        self.requirement = requirement
        self.received = received
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets it whole, whatever its class takes."""
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[Refusal], args: tuple[str, ...], members: dict[str, Any]) -> Refusal:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(members)
    return error


def _sentence(text: str) -> str:
    """Capitalised, unless it begins with a setting's name such as ``coreset_ratio``."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


class CoreError(Refusal):
    """Root of the tree."""


class ConfigError(CoreError):
    """A configuration value lies outside its documented range, or its key is unknown."""


class ShapeError(CoreError):
    """An array or tensor has another shape, dtype or value range than the function documents."""


class MaskError(CoreError):
    """A mask cannot be read, or does not fit a photograph or its patches."""


class RegistrationError(CoreError):
    """The nominal photographs cannot be registered, or the reference named for it is none of them."""


class TooFewImages(CoreError):
    """A build needs at least two nominal images."""


class TooFewNominalImages(CoreError):
    """The asked false-reject rate needs more nominal images than there are; the rank is never clamped."""


class TooFewDefects(CoreError):
    """Thresholds by cost need more reviewed defects of the version than there are."""


class GroupsError(CoreError):
    """Root of what is wrong with the groups of photographs that show one part."""


class GroupsPatternError(GroupsError):
    """A pattern for groups does not compile, or finds no part in some names."""


class GroupsFileError(GroupsError):
    """A groups file cannot be read, has other columns, or does not match the images."""


class OneGroup(GroupsError):
    """All photographs show one part, so that none can be held out."""


class AllDuplicates(OneGroup):
    """All photographs are copies of one."""


class MemoryBudgetError(CoreError):
    """A build cannot fit in the memory or disk it may use; raised before any work, with the numbers."""


class Cancelled(CoreError):
    """The caller asked a build to stop."""


class SearchError(CoreError):
    """A search was asked for more neighbours than the index holds, or in another dimension."""


class EvaluationError(CoreError):
    """A metric was asked for without both classes, or with maps and masks that do not match."""


class BankError(CoreError):
    """Root of everything a bank file can be refused for."""


class BankCorrupt(BankError):
    """The file is truncated, edited or no bank: its structure or its digest does not hold."""


class BankFormatTooNew(BankError):
    """The file names a format version this release does not read."""


class BankHostile(BankError):
    """The file declares what no honest writer writes: huge shapes, paths in names, unknown tensors."""


class BankMismatch(BankError):
    """The bank was built with another backbone, other weights, or scores its conformance images differently."""
