"""Words of the page where a bank's mask is drawn; ``Drawing`` are those that static/mask.js shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import table


@dataclass(frozen=True)
class Where:
    """English."""

    name: str = "Where to look"
    lead: str = (
        "{bank}: leave out what may differ on good parts: belts, clamps, labels, the ground beside the part."
    )
    back: str = "Back to Teach"
    none: str = "No photograph to draw on yet"
    none_hint: str = "Add images of good parts first. The mask is drawn over one of them and holds for all."
    tools: str = "Tools"
    kind: str = "What a shape does"
    kinds: Mapping[str, str] = table(ignore="Ignore", inspect="Inspect")
    names: Mapping[str, str] = table(
        rectangle="Rectangle", circle="Circle", polygon="Polygon", brush="Brush", eraser="Eraser"
    )
    changes: str = "Changes"
    acts: Mapping[str, str] = table(undo="Undo (Ctrl+Z)", redo="Redo (Ctrl+Y)", clear="Inspect everything")
    size: str = "Size"
    editor: str = "Mask over the photograph"
    photo: str = "Photograph {name}"
    previous: str = "Previous photograph"
    next: str = "Next photograph"
    place: str = "{n} of {count}: {name}"
    inspected: str = "Inspected of a photograph"
    patches: str = "Patches"
    save: str = "Save"
    anyway: str = "Do it all the same"
    remove: str = "Remove the mask"
    remove_title: str = "Inspect everything again?"
    remove_text: str = (
        "The next build then looks at all of a photograph. Versions built with the mask keep it."
    )
    legend: str = "Striped areas are left out: whatever they show changes no score."
    by_keys: str = (
        "By keys, on the photograph: arrows move a cross, with Shift in large steps; Space sets a point; Esc gives up"
        " the shape."
    )


@dataclass(frozen=True)
class Drawing:
    """English."""

    hints: Mapping[str, str] = table(
        rectangle="Drag from one corner to the other.",
        circle="Drag from the middle to the edge.",
        polygon="Click its corners. To close it, click the first one again, double-click, or press Enter.",
        brush="Paint.",
        eraser="Paint to take back what the other tools did.",
    )
    patches: str = "{some} of {all}"
    everything: str = "No mask: all of a photograph is inspected."
    drawn: str = "Not saved yet. Patches are counted once it is."
    saving: str = "Saving"
    saved: str = "Saved. It counts from the next build."
    stale: str = (
        "Someone changed this bank meanwhile, so nothing was saved. Reload the page to see it as it is now."
    )
    aspect: str = (
        "The mask that is set has another aspect ratio, {mask}, than this photograph, {photo} pixels: builds refuse it."
        " Draw one for these photographs, or remove it."
    )
    lost: str = "The connection to the server is lost, so nothing was saved. The drawing stays; try again."


WHERE, DRAWING = Where(), Drawing()
