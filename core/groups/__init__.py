"""Which photographs show one part: said by the user, or found among near-duplicates."""

from core.groups.describe import Described, Describer
from core.groups.groups import Groups, Source, numbered, require_several
from core.groups.near import by_likeness, exact_duplicates
from core.groups.user import by_file, by_parts, by_pattern, by_photograph, by_table, choose, table_parts

__all__ = [
    "Described",
    "Describer",
    "Groups",
    "Source",
    "by_file",
    "by_likeness",
    "by_parts",
    "by_pattern",
    "by_photograph",
    "by_table",
    "choose",
    "exact_duplicates",
    "numbered",
    "require_several",
    "table_parts",
]
