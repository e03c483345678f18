"""Thresholds by cost: three numbers, the cheapest reject threshold beside the present one, and a button to try it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app.console.pages.thresholds.controls import FIELD, Controls
from app.console.pages.thresholds.explorer import Explorer
from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.widgets.blocks import block, figure
from app.console.widgets.controls import number_field, number_in, secondary
from app.console.words import percent, score
from app.insight import pricing
from app.insight.pricing import ByCost
from core.errors import CoreError
from core.judging.economics import MOST_COST, Costs, Priced
from core.judging.scoring import Thresholds


def by_cost(explorer: Explorer, controls: Controls) -> None:
    """Three fields and a button; below them what was found, or why nothing was."""
    view = explorer.view
    with block("n-row"):
        missed, rejected = (_field(name, _cost_fault) for name in (TEXT.missed_cost, TEXT.reject_cost))
        rate = _field(TEXT.defect_rate, _rate_fault)
        secondary(view, TEXT.find, lambda: find(), icon="savings")
    fault = ui.label("").classes("n-fault").props('role="alert"')
    result = block("n-stack").props('aria-live="polite"')

    async def find() -> None:
        result.clear()
        fault.set_text("")
        valid = [field.validate() for field in (missed, rejected, rate)]  # each shows what is wrong with it
        if not all(valid):
            return
        given = [number_in(field) or 0.0 for field in (missed, rejected, rate)]
        try:
            costs = Costs(given[0], given[1], given[2] / 100)
            found = await view.run(lambda: pricing.price(view.service.inspecting, explorer.subject, costs))
        except CoreError as error:
            fault.set_text(str(error))
            return
        with result:
            _show(explorer, controls, found)


def _show(explorer: Explorer, controls: Controls, found: ByCost) -> None:
    with block("n-figures"):
        alike = TEXT.alike.format(low=score(found.low), high=score(found.high))
        figure(TEXT.cheapest, score(found.best.threshold), alike)
        _cost(TEXT.cost, found.best)
        if found.present is not None and found.saving is not None:
            _cost(TEXT.cost_now.format(threshold=score(found.present.threshold)), found.present)
            saving = found.saving
            figure(TEXT.saved_cost, _money(saving.cost), _interval(saving.low, saving.high))
        else:
            figure(TEXT.cost_now.format(threshold="-"), TEXT.unsupported)
    counted = TEXT.counted.format(parts=found.parts, defects=found.defects, missed=found.missed)
    ui.label(f"{counted} {found.caution}").classes("n-caption")
    with block("n-row"):
        secondary(explorer.view, TEXT.try_it, lambda: controls.put(_tried(explorer, found)), icon="tune")


def _tried(explorer: Explorer, found: ByCost) -> Thresholds:
    """With the review threshold that is explored, where it is one of its own and lower."""
    now, reject = explorer.found.thresholds, found.best.threshold
    return Thresholds(reject if now.review == now.reject else min(now.review, reject), reject)


def _cost(name: str, priced: Priced) -> None:
    errors = TEXT.errors.format(rejected=percent(priced.rejected), missed=percent(priced.missed))
    figure(name, _money(priced.cost), f"{_interval(priced.low, priced.high)}. {errors}")


def _interval(low: float, high: float) -> str:
    return TEXT.interval.format(low=_money(low), high=_money(high))


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _field(name: str, fault: Callable[[float], str | None]) -> ui.input:
    return number_field(name, None, fault=fault).props(FIELD).classes("n-rate")


def _cost_fault(value: float) -> str | None:
    return None if 0 <= value <= MOST_COST else TEXT.not_a_cost


def _rate_fault(value: float) -> str | None:
    return None if 0 < value < 100 else TEXT.not_a_rate
