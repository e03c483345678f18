"""What a key is for: all of the store, or only some banks and stations; everything else is refused by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.errors import OutOfScope
from app.store.columns import check_text
from app.store.errors import IllegalValue
from app.store.ids import check_slug, shown
from app.store.schema import LONGEST_TEXT

MOST_NAMES = 200  # banks, and stations, that one key is limited to


@dataclass(frozen=True)
class Scope:
    """The banks and the stations that a key is for; None is for all."""

    banks: frozenset[str] | None = None
    stations: frozenset[str] | None = None

    @classmethod
    def of(cls, banks: Collection[str] | None, stations: Collection[str] | None) -> Scope:
        """None and empty are for all. Raises ``IllegalId`` or ``IllegalValue`` for what names no bank or station."""
        names = [check_slug(bank) for bank in banks or ()]
        places = [check_text(station, LONGEST_TEXT) for station in stations or ()]
        if max(len(names), len(places)) > MOST_NAMES or "" in places:
            raise IllegalValue(
                requirement=f"a key may be limited to at most {MOST_NAMES} banks and as many named stations",
                received=f"{len(names)} banks and {len(places)} stations",
                remedy="Name fewer, or make several keys.",
            )
        return cls(frozenset(names) or None, frozenset(places) or None)

    @property
    def whole(self) -> bool:
        """Whether it is for everything."""
        return self.banks is None and self.stations is None

    def admit_bank(self, id: str) -> None:
        """Raises ``OutOfScope`` for a bank that the key is not for."""
        if self.banks is not None and id not in self.banks:
            raise _outside("banks", self.banks, f"the bank {shown(id)}")

    def station(self, said: str | None) -> str | None:
        """The station of an inspection that names ``said``: a key for only one station need not name it.

        Raises ``OutOfScope`` for a station that the key is not for, and for none where it is for several.
        """
        if self.stations is None or said in self.stations:
            return said
        if said is None and len(self.stations) == 1:
            return next(iter(self.stations))
        raise _outside(
            "stations", self.stations, "no station" if said is None else f"the station {shown(said)}"
        )

    def admit_every_station(self) -> None:
        """Raises ``OutOfScope`` where the key is only for some stations, and what it asks for is of all."""
        if self.stations is not None:
            raise _outside("stations", self.stations, "a question about every station of the bank")

    def admit_whole(self) -> None:
        """Raises ``OutOfScope`` unless the key is for everything."""
        if not self.whole:
            raise OutOfScope(
                requirement="what concerns the whole server needs a key for all banks and stations",
                received="a key that is limited to some",
                remedy="Use a key that is not limited.",
            )


EVERYTHING = Scope()


def _outside(kind: str, names: Collection[str], received: str) -> OutOfScope:
    some = ", ".join(sorted(names)[:5]) + (" and others" if len(names) > 5 else "")
    return OutOfScope(
        requirement=f"this key is limited to the {kind} {some}",
        received=received,
        remedy="Use a key that is not limited, or one for what is asked.",
    )
