"""What ``help`` shows of a client's method: the parameters of the description it sends, after ``self``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def as_method(method: F, describe: Callable[..., Any]) -> F:
    """``method`` with the signature of ``describe`` and a ``self`` before it."""
    told = inspect.signature(describe)
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = told.replace(
        parameters=[this, *told.parameters.values()], return_annotation=inspect.Signature.empty
    )
    method.__signature__ = shown  # type: ignore[attr-defined]  # inspect looks for it
    return method
