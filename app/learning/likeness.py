"""What the photographs of a nominal set have in common, or not: notices of a build, and of an upload."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.imaging.header import shown_names
from core.input.photograph import Photograph, is_dark
from core.screening.mixture import Kind, Look, aspects, colours, sizes

FAR_LARGER = 3.0  # photographs than the input: a larger one is worth a try
NAMED = 3  # images of one kind that a sentence names


class Likeness:
    """Fed with the photographs that are read, one after another."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._bits: list[tuple[int, int] | None] = []
        self._names: list[str] = []

    def add(self, name: str, photograph: Photograph) -> None:
        """The next photograph."""
        self._looks.append(Look.of(photograph))
        self._bits.append(photograph.bits)
        self._names.append(name)

    def extend(self, more: Likeness) -> None:
        """The next photographs, that another process has read."""
        self._looks += more._looks
        self._bits += more._bits
        self._names += more._names

    def notices(self) -> list[str]:
        """What a person should know before the bank decides, a sentence or two each; none for a set of one kind."""
        if not self._looks:
            return []
        found = [self._mixed(colours, "colour", "Take all in one, or build with --grey.")]
        if len(aspects(self._looks)) > 1:
            remedy = (
                "Parts look stretched or cut in some of them: take all alike, or build with --fit letterbox."
            )
            found.append(self._mixed(aspects, "shape", remedy))
        else:
            remedy = "Details are finer in the larger ones: take all alike."
            found.append(self._mixed(sizes, "size", remedy))
        if dark := dark_kinds(self._bits):
            count = f"{sum(len(kind.images) for kind in dark):,} of {len(self._looks):,} photographs are read as dark"
            what = ", ".join(kind.what for kind in dark)
            found.append(f"{count}: {what}. {self._brighter()}")
        return [sentence for sentence in found if sentence]

    def detail(self, size: int) -> str:
        """What to try where photographs are far larger than an input of this size; empty otherwise."""
        if not self._looks:
            return ""
        shape = sizes(self._looks)[0].images[0]
        height, width = self._looks[shape].shape
        times = min(height, width) / size
        if times < FAR_LARGER:
            return ""
        return (
            f"The photographs have {width} x {height} pixels, {times:.1f} times the input's {size} or more: defects of "
            f"a few pixels may be lost. Try size {2 * size}, or ask for advice (nominal advise)."
        )

    def _brighter(self) -> str:
        """What to do: a camera fills an even number of bits, perhaps more than its photographs take so far."""
        used = max(bits[0] for bits in self._bits if bits)
        filled = max(10, used + used % 2)
        if filled >= max(bits[1] for bits in self._bits if bits):
            return "Others use more: set all cameras alike, or expose the dark ones longer."
        return f"If the camera fills {filled} bits, build with --significant-bits {filled}."

    def _mixed(self, kinds_of: Callable[[Sequence[Look]], tuple[Kind, ...]], what: str, remedy: str) -> str:
        usual, *others = kinds_of(self._looks)
        if not others:
            return ""
        rest = "; ".join(
            f"{len(kind.images):,} {kind.what} ({shown_names([self._names[i] for i in kind.images], NAMED)})"
            for kind in others[:NAMED]
        )
        more = f"; and {len(others) - NAMED:,} more kinds" if len(others) > NAMED else ""
        return f"The photographs differ in {what}: {len(usual.images):,} {usual.what}; {rest}{more}. {remedy}"


def dark_kinds(bits: Sequence[tuple[int, int] | None]) -> tuple[Kind, ...]:
    """Images whose highest bits are unused, by the bits they use, the fewest first. bits: of each photograph."""
    kinds = sorted({each for each in bits if each and is_dark(each)})
    return tuple(
        Kind(f"{used} of {wide} bits in use", tuple(i for i, each in enumerate(bits) if each == (used, wide)))
        for used, wide in kinds
    )


def dark_notice(photograph: Photograph) -> str | None:
    """What to know of one uploaded image whose highest bits are unused."""
    if not photograph.dark or photograph.bits is None:
        return None
    used, wide = photograph.bits
    return (
        f"Its brightest sample takes {used} of {wide} bits, so it is read as dark: set the bank's "
        f"input.significant_bits to the bits that the camera fills."
    )
