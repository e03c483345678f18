"""What a version's parts are brought onto: the reference, and the nominal images that fit it least."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.pages.versions.words import FITS as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, fact, section, text
from app.console.widgets.viewer import nominal_tile
from app.console.words import percent
from app.insight import fits
from app.insight.fits import Fit, Fits, Image
from app.store.schema import Version

WORST = 12


async def show_fits(view: View, version: Version) -> None:
    """Nothing for a version without registration."""
    if not version.summary.get("config", {}).get("registration"):
        return
    found = await view.run(
        lambda: fits.of_version(view.service.inspecting, version.bank, version.number, WORST)
    )
    with section(TEXT.name, TEXT.hint):
        with block("n-tiles n-tiles-wide"):
            with _tile(view, found, found.reference), block("n-tile-foot"):
                ui.label(TEXT.reference).classes("n-strong")
                ui.label(_held(found)).classes("n-caption")
            for fit in found.items:
                _fit(view, found, fit)
        ui.label(TEXT.level.format(level=f"{found.level:.2f}", n=f"{found.images:,}")).classes("n-reading")
        if found.left_out:
            with block("n-found", "details"):
                text(TEXT.left_out(len(found.left_out)), tag="summary")
                with block("n-says", "ul"):
                    for each in found.left_out:
                        text(f"{each.image.name}: {each.reason}", tag="li")


def _held(found: Fits) -> str:
    return TEXT.keypoints(found.keypoints) if found.method == "sift" else TEXT.by_edges


def _fit(view: View, found: Fits, fit: Fit) -> None:
    shift = None if fit.shift is None else TEXT.pixels.format(x=fit.shift[0], y=fit.shift[1])
    figures = {
        TEXT.inliers: None if fit.inliers is None else f"{fit.inliers:,}",
        TEXT.rotation: None if fit.rotation is None else f"{fit.rotation:.1f}°",
        TEXT.shift: shift,
        TEXT.scale: None if fit.scale is None else percent(fit.scale),
        TEXT.residual: None if fit.residual is None else f"{fit.residual:.1f} px",
    }
    with _tile(view, found, fit.image), block("n-tile-foot"):
        ui.label(TEXT.fit.format(fit=f"{fit.fit:.3f}")).classes("n-strong")
        with block("n-facts", "dl"):
            for name, value in figures.items():
                if value is not None:
                    fact(name, value)


def _tile(view: View, found: Fits, image: Image) -> ui.element:
    return nominal_tile(
        view,
        found.bank,
        image.name,
        image.sha256 if image.present else None,
        _removed(view, image),
        found.version,
    )


def _removed(view: View, image: Image) -> Callable[[], Awaitable[None]]:
    async def removed() -> None:
        view.say(TEXT.removed.format(name=image.name))

    return removed
