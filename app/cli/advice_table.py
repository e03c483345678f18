"""Advice as people read it in a terminal, from a folder or from a server."""

from __future__ import annotations

from typing import Any

from app.cli.console import cell, plain, say, stdout, table

HEADINGS = ("setting", "found", "by kind", "AUROC", "spread", "ms", "MB", "gain in found", "at rates to 20 %")


def print_advice(found: dict[str, Any]) -> None:
    """A row for each trial, what was not tried, what it rests on; then what to take."""
    shown = table("", *HEADINGS)
    for number, trial in enumerate(found["trials"]):
        shown.add_row("*" if number == found["taken"] else "", *map(cell, _row(trial)))
    stdout.print(shown)
    for each in found["not_tried"]:
        say(f"Not tried: {each['setting']}: {each['why']}.")
    say("")
    for sentence in found["says"]:
        say(sentence)
    say(_cost(found))
    say("")
    stdout.print(plain(found["advice"]), style="bold", highlight=False, soft_wrap=True)


def _row(trial: dict[str, Any]) -> tuple[object, ...]:
    kinds = ", ".join(f"{kind} {of['found']}/{of['of']}" for kind, of in trial["kinds"].items())
    gain = trial["gain"]
    gains = ("", "") if gain is None else (_interval(gain, "found"), _interval(gain, "early"))
    return (
        trial["setting"],
        f"{trial['found']} of {trial['defects']}",
        kinds,
        f"{trial['image_auroc']:.3f}",
        f"{trial['spread']:.3f}",
        f"{trial['ms_per_image']:.0f}",
        f"{trial['megabytes']:.1f}",
        *gains,
    )


def _interval(gain: dict[str, Any], what: str) -> str:
    """``+0.120 (0.030 to 0.210)``."""
    ends = f"{gain[f'{what}_low']:+.3f} to {gain[f'{what}_high']:+.3f}"
    return f"{gain[what]:+.3f} ({ends})"


def _cost(found: dict[str, Any]) -> str:
    times = found["cpu_seconds"] / max(1e-6, found["plain_build_cpu_seconds"])
    return (
        f"It took {found['seconds']:.0f} s and {found['cpu_seconds']:.1f} CPU seconds, about {times:.1f} times those "
        "of a build with the settings given."
    )
