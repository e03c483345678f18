"""A bank's versions, newest first; and the page of one: nominal scores, threshold, hardest nominal images."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from app.console.pages.versions.fits import show_fits
from app.console.pages.versions.histogram import Mark, histogram
from app.console.pages.versions.words import VERSIONS as TEXT
from app.console.view import View, page
from app.console.widgets.activation import ask_activation
from app.console.widgets.blocks import badge, block, figure, page_header, section, table, text
from app.console.widgets.controls import confirm, danger, more, primary, secondary, untaught
from app.console.widgets.viewer import nominal_tile
from app.console.words import age, duration, moment, percent, score, size
from app.insight import calibration as insight
from app.insight.calibration import Insight, NominalScore
from app.learning import masks
from app.store.schema import Bank, Version
from core.config import AugmentConfig

BINS, HARDEST = 48, 12
ROWS = 50
HEADS = (TEXT.number, TEXT.state, TEXT.created, TEXT.images, TEXT.vectors, TEXT.supports, TEXT.file)


@page("/banks/{bank}/versions", TEXT.name, icon="layers", order=70)
async def show(view: View) -> None:
    """A table; each row leads to its version."""
    bank = view.own_bank
    page_header(TEXT.name, TEXT.lead.format(bank=bank.title))
    rows = await view.run(lambda: view.store.versions.all(bank.id))
    if not rows:
        untaught(view, "layers", TEXT.none, TEXT.none_hint)
        return
    with section():
        with table(*HEADS) as body:
            pass
        below = ui.element("div")
    _fill(view, bank, rows, body, below)


def _fill(view: View, bank: Bank, rows: list[Version], body: ui.element, below: ui.element) -> None:
    with body:
        for row in rows[:ROWS]:
            _row(view, bank, row)
    below.clear()
    if len(rows) > ROWS:
        with below:
            more(view, lambda: _fill(view, bank, rows[ROWS:], body, below))


def _row(view: View, bank: Bank, version: Version) -> None:
    summary = version.summary
    with ui.element("tr"):
        with ui.element("td"), ui.element("a") as link:
            link.props["href"] = view.url("banks", bank.id, "versions", version.number)
            ui.label(TEXT.one.format(n=version.number))
        with ui.element("td"):
            state_badge(bank, version)
        supported = percent(summary["supported_false_reject"])
        images, vectors = f"{summary['images']:,}", f"{summary['vectors']:,}"
        for value in (age(version.created_at), images, vectors, supported, size(version.bytes)):
            text(value, tag="td")


@page("/banks/{bank}/versions/{number:int}", TEXT.number)
async def show_one(view: View) -> None:
    """From the version's row and its calibration."""
    view.use("inspection.css", "viewer.js")
    bank, number = view.own_bank, int(view.params["number"])
    row = await view.run(lambda: view.store.versions.get(bank.id, number))
    title = TEXT.one.format(n=number)
    with page_header(title, TEXT.of_bank.format(bank=bank.title, time=moment(row.created_at))):
        _actions(view, bank, row)
    found = await view.run(
        lambda: insight.of_version(view.service.inspecting, bank.id, number, BINS, HARDEST)
    )
    if row.reason or found.reason:
        _banner(row.reason or found.reason or "")
    with section():
        state_badge(bank, row)
        _figures(row, found)
    _scores(found)
    await show_fits(view, row)
    _hardest(view, found)
    _deletion(view, bank, row)


def state_badge(bank: Bank, version: Version) -> None:
    """Active, ready, not activated or quarantined."""
    if version.state == "quarantined":
        badge(TEXT.quarantined, "gpp_bad", "reject")
    elif version.number == bank.active_version:
        badge(TEXT.active, "check_circle", "accept")
    elif version.reason:
        badge(TEXT.not_activated, "warning", "review")
    else:
        badge(TEXT.ready, "inventory_2")


def _banner(reason: str) -> None:
    with block("n-banner").props('role="alert"'):
        ui.icon("warning")
        ui.label(reason)


def _figures(version: Version, found: Insight) -> None:
    summary: dict[str, Any] = version.summary
    built = duration(found.build_seconds) if found.build_seconds is not None else TEXT.unknown
    used = {**summary, **summary.get("config", {})}
    engine = [str(used[name]) for name in ("runtime", "precision", "metric") if name in used]
    engine += [TEXT.score_map] if used.get("score") == "map" else []
    views = AugmentConfig.from_json(used.get("augment", {})).views
    engine += [TEXT.registered] if used.get("registration") else []
    engine += [TEXT.placed.format(n=used["position"])] if used.get("position") else []
    engine += [TEXT.learned.format(n=views)] if views > 1 else []
    with block("n-figures n-figures-top"):
        figure(TEXT.images, f"{found.images:,}")
        figure(TEXT.supports, percent(found.supported_false_reject), TEXT.supports_hint)
        figure(TEXT.vectors, f"{found.vectors:,}", TEXT.vectors_hint(summary.get("source_patches", 0)))
        figure(TEXT.built_in, built)
        if (share := masks.share(summary.get("config", {}))) is not None:
            figure(TEXT.inspected, percent(share), TEXT.inspected_hint)
        figure(TEXT.file, size(version.bytes))
        figure(TEXT.backbone, str(summary.get("backbone", TEXT.unknown)), ", ".join(engine))


def _scores(found: Insight) -> None:
    with section(TEXT.scores, TEXT.scores_hint):
        said = TEXT.bars.format(n=found.images, low=score(found.edges[0]), high=score(found.edges[-1]))
        histogram(found.edges, found.counts, _marks(found), TEXT.axis, said)
        if found.expected_reject is not None:
            expected = found.expected_reject
            ui.label(
                TEXT.expected.format(
                    above=expected.above,
                    images=expected.images,
                    expected=percent(expected.expected),
                    low=percent(expected.low),
                    high=percent(expected.high),
                )
            ).classes("n-reading")


def _marks(found: Insight) -> list[Mark]:
    if found.thresholds is None:
        return []
    review, reject = found.thresholds.review, found.thresholds.reject
    if review == reject:
        return [Mark(reject, TEXT.threshold.format(value=score(reject)), "reject")]
    return [
        Mark(review, TEXT.review_at.format(value=score(review)), "review", after=False),
        Mark(reject, TEXT.reject_at.format(value=score(reject)), "reject"),
    ]


def _actions(view: View, bank: Bank, version: Version) -> None:
    """Buttons, the ones that make sense now."""
    if version.number != bank.active_version:
        older = bank.active_version is not None and version.number < bank.active_version
        name, icon = (TEXT.roll_back, "history") if older else (TEXT.activate, "play_arrow")
        primary(view, name, partial(_activate, view, bank, version.number), icon=icon, role="admin")
    bundle = view.url("v1", "banks", bank.id, "versions", version.number, "bundle")
    secondary(view, TEXT.download, lambda: view.go(bundle), icon="download")


async def _activate(view: View, bank: Bank, number: int) -> None:
    await ask_activation(view, bank, number, view.reload)


def _deletion(view: View, bank: Bank, version: Version) -> None:
    """At the end of the page, far from what activates the version."""
    if version.number != bank.active_version:
        with section(TEXT.deletion, TEXT.delete_text):
            danger(view, TEXT.delete, partial(_ask_delete, view, version), icon="delete", role="admin")


def _ask_delete(view: View, version: Version) -> None:
    async def delete() -> None:
        number = version.number
        await view.run(lambda: view.store.versions.remove(version.bank, number, actor=view.actor.id))
        view.go(view.url("banks", version.bank, "versions"))

    confirm(view, TEXT.delete_title.format(n=version.number), TEXT.delete_text, TEXT.delete, delete)


def _hardest(view: View, found: Insight) -> None:
    """The nominal images with the highest scores, so that a bad part among the good is found; each can be removed."""
    with section(TEXT.hardest, TEXT.hardest_hint):
        if all(image.sha256 is None for image in found.hardest):
            ui.label(TEXT.not_here).classes("n-caption")
            return
        with block("n-tiles n-tiles-wide"):
            for image in found.hardest:
                _tile(view, found, image)


def _tile(view: View, found: Insight, image: NominalScore) -> None:
    async def removed() -> None:
        view.say(TEXT.removed.format(name=image.name))

    sha256 = image.sha256 if image.present else None
    with nominal_tile(view, found.bank, image.name, sha256, removed, found.version), block("n-tile-foot"):
        ui.label(TEXT.score.format(value=score(image.score))).classes("n-strong")
        if not image.present:
            ui.label(TEXT.gone).classes("n-caption")
        elif found.thresholds is not None and image.score > found.thresholds.reject:
            badge(TEXT.above, "warning", "reject")
