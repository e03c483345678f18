"""Short forms for plain elements: a block with a class, an attribute whose value may hold anything."""

from __future__ import annotations

from nicegui import ui


def block(classes: str, tag: str = "div", **attributes: object) -> ui.element:
    """An element; ``aria_label`` stands for ``aria-label``."""
    made = ui.element(tag).classes(classes)
    for name, value in attributes.items():
        made.props[name.rstrip("_").replace("_", "-")] = value
    return made


def text(words: str, classes: str = "", tag: str = "span") -> ui.element:
    """Words in an element of their own."""
    with ui.element(tag).classes(classes) as made:
        ui.label(words)
    return made


def styled(element: ui.element, **values: object) -> ui.element:
    """CSS variables: ``x=1`` becomes ``--x: 1``."""
    element.style("; ".join(f"--{name}: {value}" for name, value in values.items()))
    return element
