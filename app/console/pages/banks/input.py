"""Fields of a bank for how a photograph becomes the input, and how many of its patches are kept."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.pages.banks.words import BANKS as TEXT
from app.console.widgets.controls import number_field, number_in
from app.console.words import plain
from core.config import FITS, FREE, LARGEST_SIZE, STEP, DetectorConfig
from core.declared import own_settings

MOST_PLACE = next(each for each in own_settings(DetectorConfig) if each.name == "position").bounds["le"]
FIELD = "outlined dense hide-bottom-space"


class InputFields:
    """What a build takes beside the usual sizes: any size, fit, crop, the share of patches kept, what places count."""

    def __init__(self, size: Any, config: DetectorConfig) -> None:
        """size: the field of the usual sizes, which another one goes over. config: what to show."""
        self._size = size
        unusual = None if config.input.size in TEXT.sizes else config.input.size
        self._other = number_field(TEXT.other_size, unusual, needed=False, fault=_side_fault)
        self._other.props(f'{FIELD} hint="{TEXT.other_size_hint}"')
        self._fit: Any = ui.select(
            {name: TEXT.fits[name] for name in FITS}, label=TEXT.fit, value=config.input.fit
        )
        self._fit.props(f'{FIELD} hint="{TEXT.fit_hint}"')
        self._crop = number_field(TEXT.crop, config.input.crop, needed=False, fault=self._crop_fault)
        self._crop.props(f'{FIELD} hint="{TEXT.crop_hint}"')
        share = float(plain(config.coreset_ratio * 100))
        self._ratio = number_field(TEXT.ratio, share, fault=_ratio_fault).props(
            f'{FIELD} hint="{TEXT.ratio_hint}"'
        )
        self._register = ui.checkbox(TEXT.register, value=config.registration.on).props("dense")
        ui.label(TEXT.register_hint).classes("n-caption")
        self._turned = number_field(TEXT.turned, config.registration.rotation, fault=_turned_fault).props(
            FIELD
        )
        self._turned.bind_visibility_from(self._register, "value")
        self._place = number_field(TEXT.place, config.position, fault=_place_fault)
        self._place.props(f'{FIELD} hint="{TEXT.place_hint}"')

    @property
    def side(self) -> int:
        """Of the input, in pixels."""
        return int(number_in(self._other) or self._size.value)

    def validate(self) -> bool:
        """Whether all can be taken; what cannot is said beside it."""
        fields = (self._other, self._crop, self._ratio, self._place, self._turned)
        wrong = [field for field in fields if not field.validate()]  # each says its own
        return not wrong

    def config(self) -> dict[str, Any]:
        """For ``input`` of a bank's config."""
        crop = number_in(self._crop)
        return {"size": self.side, "fit": self._fit.value, "crop": None if crop is None else int(crop)}

    def ratio(self) -> float:
        """For ``coreset_ratio``."""
        return float(number_in(self._ratio) or 0) / 100

    def registration(self) -> dict[str, Any] | None:
        """For ``registration``; None for none."""
        return {"on": True, "rotation": float(number_in(self._turned) or 0)} if self._register.value else None

    def place(self) -> float:
        """For ``position``."""
        return float(number_in(self._place) or 0)

    def _crop_fault(self, value: float) -> str | None:
        return _side_fault(value, self.side)


def _side_fault(value: float, most: int = LARGEST_SIZE) -> str | None:
    fits = STEP <= value <= most and value % STEP == 0
    return None if fits else TEXT.side_needed.format(most=f"{most:,}")


def _place_fault(value: float) -> str | None:
    return None if 0 <= value <= MOST_PLACE else TEXT.place_needed.format(most=f"{MOST_PLACE:g}")


def _turned_fault(value: float) -> str | None:
    return None if 0 <= value <= FREE else TEXT.turned_needed


def _ratio_fault(value: float) -> str | None:
    return None if 0 < value <= 100 else TEXT.ratio_needed
