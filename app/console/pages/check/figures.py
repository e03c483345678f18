"""What a version finds and misses of a check set, in figures; by kind of defect; versions beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from app.console.pages.check.words import CHECK as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, figure, section, table, text
from app.console.words import moment, percent, score
from app.insight.checks import Tried
from core.judging.exploration import Share


def result(tried: Tried) -> None:
    """The figures of one version, and what to know before believing them."""
    if tried.thresholds is None:
        ui.label(tried.reason or "").props('role="alert"')
    with block("n-figures"):
        figure(TEXT.found, _of(tried.found), _interval(tried.found))
        figure(TEXT.missed, f"{tried.missed:,}" if tried.found.total else TEXT.nothing)
        figure(TEXT.alarms, _of(tried.alarms), _interval(tried.alarms))
        figure(TEXT.auroc, _auroc(tried), TEXT.auroc_hint)
    with block("n-says", "ul"):
        for sentence in tried.says:
            text(sentence, tag="li")
    if tried.thresholds is not None:
        said = TEXT.scored.format(time=moment(tried.created_at), reject=score(tried.thresholds.reject))
        ui.label(said).classes("n-caption")
    if tried.kinds:
        _kinds(tried)


def versions(view: View, tried: Sequence[Tried]) -> None:
    """All versions that were tried, the newest first."""
    heads = (TEXT.version, TEXT.found, TEXT.missed, TEXT.alarms, TEXT.auroc, TEXT.when)
    with section(TEXT.versions, TEXT.versions_hint), table(*heads):
        for each in tried:
            with ui.element("tr").mark(f"version-{each.version}"):
                active = each.version == view.own_bank.active_version
                text(TEXT.active.format(n=each.version) if active else str(each.version), "n-strong", "td")
                text(_of(each.found), "n-number", "td")
                text(f"{each.missed:,}" if each.found.total else TEXT.nothing, "n-number", "td")
                text(_of(each.alarms), "n-number", "td")
                text(_auroc(each), "n-number", "td")
                text(moment(each.created_at), "n-when", "td")


def _kinds(tried: Tried) -> None:
    with block("n-found"):
        text(TEXT.kinds, tag="h3")
        with table(TEXT.kind_head, TEXT.found, TEXT.missed, TEXT.share_head):
            for each in tried.kinds:
                with ui.element("tr"):
                    text(each.kind, "n-strong", "td")
                    text(_of(each.found), "n-number", "td")
                    text(f"{each.found.total - each.found.count:,}", "n-number", "td")
                    text(_interval(each.found), "n-number", "td")


def _of(share: Share) -> str:
    if not share.total:
        return TEXT.nothing
    return TEXT.of.format(count=f"{share.count:,}", total=f"{share.total:,}")


def _interval(share: Share) -> str:
    if share.rate is None:
        return ""
    return TEXT.interval.format(rate=percent(share.rate), low=percent(share.low), high=percent(share.high))


def _auroc(tried: Tried) -> str:
    return TEXT.nothing if tried.auroc is None else score(tried.auroc)
