"""An INSERT of whole rows as the driver takes it: compiled once, its values checked and converted by their columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Dialect, Insert
from sqlalchemy.sql.compiler import SQLCompiler


class Insertion:
    """``sql``, and what it makes of a row by the names of its columns."""

    def __init__(self, statement: Insert, dialect: Dialect) -> None:
        """``statement`` must take its values from the row alone."""
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.sql = compiled.string
        self._by_position = compiled.positional
        columns = statement.table.c
        names = (compiled.positiontup or []) if compiled.positional else [*compiled.params]
        self._columns = [
            (name, columns[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names
        ]

    def values(self, row: Mapping[str, Any]) -> list[Any] | dict[str, Any]:
        """Raises IllegalValue for what a column refuses."""
        made = {name: row[name] if convert is None else convert(row[name]) for name, convert in self._columns}
        return [*made.values()] if self._by_position else made
