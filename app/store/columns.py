"""Column types that hold the same value on SQLite and PostgreSQL, or refuse it on both.

An ``Insertion`` gives whole rows to the driver by them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, get_args

from sqlalchemy import JSON, CheckConstraint, DateTime, Dialect, Float, Insert, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.compiler import SQLCompiler

from app.store.errors import IllegalValue
from app.store.ids import shown

JsonObject = dict[str, Any]
MAX_JSON_DEPTH = 32
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Utc(TypeDecorator[datetime]):
    """Aware UTC in and out, microseconds kept; SQLite stores it without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise IllegalValue(
                "a time must say its zone", value.isoformat(), "Append an offset, for example Z for UTC."
            )
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of at most ``length`` characters without NUL or lone surrogates; compared by code point."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return String(self.length, collation="C" if dialect.name == "postgresql" else None)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else check_text(value, self.length)


class Finite(TypeDecorator[float]):
    """A float64 that is neither NaN nor infinite."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        check_json(value)
        return value


class Document(TypeDecorator[Any]):
    """A JSON value; None is SQL's NULL. Refuses NaN, infinities, NUL, lone surrogates."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return JSONB(none_as_null=True) if dialect.name == "postgresql" else JSON(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        check_json(value)
        return value


def check_text(text: str, length: int | None = None) -> str:
    """``text`` if both databases can give it back, else ``IllegalValue``."""
    if length is not None and len(text) > length:
        raise IllegalValue(
            requirement=f"this text may have at most {length:,} characters",
            received=f"{len(text):,} that begin {shown(text)}",
            remedy="Shorten it.",
        )
    if UNSTORABLE.search(text):
        raise IllegalValue("text must hold no NUL and no lone surrogates", shown(text), "Remove them.")
    return text


def check_json(value: Any, depth: int = 0) -> None:
    """Raises ``IllegalValue`` for what JSON or PostgreSQL cannot hold."""
    if depth > MAX_JSON_DEPTH or (isinstance(value, float) and not math.isfinite(value)):
        raise IllegalValue(
            requirement=f"numbers must be finite and JSON at most {MAX_JSON_DEPTH} levels deep",
            received=str(value) if isinstance(value, float) else "deeper JSON",
            remedy="Send a finite number, or flatter JSON.",
        )
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key)
            check_json(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_json(item, depth + 1)


def one_of(column: str, literal: Any) -> CheckConstraint:
    """A CHECK that ``column`` holds one of a ``Literal``'s words (or NULL, where it may)."""
    words = ", ".join(f"'{word}'" for word in get_args(literal))
    return CheckConstraint(f"{column} IN ({words})", name=column)


class Insertion:
    """``sql``, and what it makes of a row by the names of its columns."""

    def __init__(self, statement: Insert, dialect: Dialect, named: Sequence[str] | None = None) -> None:
        """``statement`` must take its values only from the row; ``named`` are its columns, all of them when None."""
        compiled = statement.compile(dialect=dialect, column_keys=named)
        assert isinstance(compiled, SQLCompiler)
        self.sql = compiled.string
        self._by_position = compiled.positional
        columns = statement.table.c
        names = (compiled.positiontup or []) if compiled.positional else [*compiled.params]
        self._columns = [
            (name, columns[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names
        ]

    def values(self, row: Mapping[str, Any] | DeclarativeBase) -> list[Any] | dict[str, Any]:
        """Of a row as an object, or by the names of its columns. Raises IllegalValue for what a column refuses."""
        of = row.__getitem__ if isinstance(row, Mapping) else partial(getattr, row)
        made = {name: of(name) if convert is None else convert(of(name)) for name, convert in self._columns}
        return [*made.values()] if self._by_position else made
