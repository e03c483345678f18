"""Words of a bank's trend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import table


@dataclass(frozen=True)
class Trend:
    """English."""

    name: str = "Trend"
    span: str = "{since} to {until}"
    hours: str = "Time"
    spans: Mapping[int, str] = table(
        {8: "Last 8 hours", 24: "Last 24 hours", 168: "Last 7 days", 744: "Last 31 days"}
    )
    station: str = "Station"
    every: str = "All stations"
    none: str = "Nothing was inspected in this time"
    none_hint: str = "Choose a longer time or another station. This page follows the line by itself."
    inspected: str = "Inspected"
    rejected: str = "Rejected"
    median: str = "Median, accepted"
    high: str = "95 % score, accepted"
    high_hint: str = "95 % of accepted parts score at most this"
    agreement: str = "Reviews that agree"
    agreement_value: str = "{count} of {total}"
    agreement_none: str = "none yet"
    agreement_hint: str = "verdicts that confirm the decision"
    decisions: str = "Decisions by hour"
    decisions_said: str = "Bars of decisions by hour; the table below has the numbers."
    scores: str = "Scores of accepted parts"
    scores_hint: str = (
        "Where both lines rise together, light, camera or material drift; look before rejects follow."
    )
    scores_said: str = (
        "Lines of the median and the 95 % score of accepted parts by hour; the table below has the numbers."
    )
    numbers: str = "Numbers by hour"
    hour: str = "Hour from"
    bar: str = "{hour}: {accept} accepted, {review} to review, {reject} rejected"
    point: str = "{hour}: {name} {value}"
    reviewed: str = "Reviews that agree"
    nothing: str = "\N{EN DASH}"


TREND = Trend()
