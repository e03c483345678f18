"""Words of the page that inspects images by hand."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.text.plural import Plural


@dataclass(frozen=True)
class Inspect:
    """English."""

    name: str = "Inspect"
    lead: str = "See what Nominal says of a part. Every image lands in the ledger, as the line's do."
    drop: str = "Drop images here, or paste them"
    drop_hint: str = "PNG, JPEG, BMP, TIFF or WebP, up to {size} each."
    drop_now: str = "Let go to inspect"
    choose: str = "Choose images"
    serial: str = "Serial number"
    serial_hint: str = "Optional; given to the next images."
    strip: str = "Inspected here"
    waiting: str = "Waiting"
    refused: str = "Not inspected"
    progress: str = "{done} of {total} inspected"
    all_done: Plural = Plural("{n} image inspected", "{n} images inspected")
    faults: Plural = Plural("{n} file was not inspected", "{n} files were not inspected")
    again: str = "Try again"
    dismiss: str = "Dismiss"
    lost: str = (
        "The connection was lost before the answer came. Whether it was inspected is in Inspections; try again if"
        " it is not."
    )
    unfinished: str = (
        "The page was loaded again before its answer came. If Inspections does not list it, drop it again."
    )
    folder: str = "A folder cannot be inspected. Drop the images in it."
    nothing: str = "The clipboard holds no image. Copy a picture or a file, then paste it."
    none: str = "Nothing inspected here yet"
    none_hint: str = (
        "The answer appears here: score, decision, where the part differs, and from which good part."
    )
    untaught: str = "This bank has not learnt anything yet"
    untaught_hint: str = "Teach it with images of good parts and build it; then parts can be inspected."
    teach: str = "Teach it"
    older: str = "Older ones are in Inspections"
    earlier: str = "Earlier inspections"


INSPECT = Inspect()
