"""Words of the page that inspects images by hand."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural


@dataclass(frozen=True)
class Inspect:
    """English."""

    name: str = "Inspect"
    lead: str = (
        "See how Nominal judges a part. Every image is recorded in the ledger, like those of the line."
    )
    drop: str = "Drop images here, or paste them"
    drop_hint: str = "PNG, JPEG, BMP, TIFF or WebP, up to {size} each."
    choose: str = "Choose images"
    serial: str = "Serial number"
    serial_hint: str = "Optional; applies to the images you add next."
    strip: str = "Inspected here"
    progress: str = "{done} of {total} inspected"
    all_done: Plural = Plural("{n} image inspected", "{n} images inspected")
    faults: Plural = Plural("{n} file was not inspected", "{n} files were not inspected")
    again: str = "Try again"
    dismiss: str = "Dismiss"
    lost: str = (
        "The connection was lost before the answer came. Look in Inspections whether it was inspected; if it was not,"
        " try again."
    )
    unfinished: str = (
        "The page was reloaded before its answer came. If Inspections does not list it, drop it again."
    )
    folder: str = "A folder cannot be inspected. Drop the images in it."
    nothing: str = "The clipboard holds no image. Copy a picture or a file, then paste it."
    none: str = "Nothing inspected here yet"
    none_hint: str = (
        "The answer appears here: score, decision, where the part differs, and from which good part."
    )
    untaught: str = "This bank has not learned anything yet"
    untaught_hint: str = "Teach it with images of good parts and build it; then you can inspect parts."
    earlier: str = "Earlier inspections"


INSPECT = Inspect()
