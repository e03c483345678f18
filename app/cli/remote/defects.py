"""``nominal remote similar``, ``kinds``, ``pareto``, ``patterns``, ``report``, ``economics``: what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import Columns, Json, notice, print_json, print_list, print_rows, say
from app.cli.patterns_table import print_patterns
from app.cli.remote.banks import Bank, client_of, watch
from app.cli.remote.inspections import Inspected, Since, Until, zoned
from nominal_client.answers.defects import Pareto

commands = typer.Typer()
kinds = typer.Typer(no_args_is_help=True, help="List and rename the kinds of a bank's defects.")
commands.add_typer(kinds, name="kinds")


@commands.command()
def similar(
    ctx: typer.Context,
    inspection: Inspected,
    most: Annotated[int, typer.Option("--most", "-k", min=1, max=100, help="List at most this many.")] = 10,
    reviewed: Annotated[
        bool | None, typer.Option("--reviewed/--unreviewed", help="Only those with a verdict, or without.")
    ] = None,
    siblings: Annotated[
        bool, typer.Option("--siblings", help="Other photographs of the same part too.")
    ] = False,
    json_output: Json = False,
) -> None:
    """List past inspections whose worst places look like this one's, and the kind that they suggest."""
    client = client_of(ctx)
    found = client.list_similar_inspections(inspection, k=most, reviewed=reviewed, siblings=siblings)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    columns: Columns = {
        "inspection": lambda each: each.inspection.id,
        "when": lambda each: f"{each.inspection.created_at:%Y-%m-%d %H:%M:%S}",
        "similarity": lambda each: f"{each.similarity:.3f}",
        "serial": lambda each: each.inspection.serial,
        "decision": lambda each: each.inspection.decision,
        "verdict": lambda each: each.inspection.verdict,
        "kind": lambda each: each.inspection.kind,
    }
    print_rows(found.items, columns)
    if (vote := found.suggestion) is not None:
        sure = f"Suggested kind: {vote.kind} ({vote.confidence:.0%} of the vote)"
        say(sure if vote.kind is not None else "No kind is suggested: similar inspections have several.")


@commands.command()
def patterns(
    ctx: typer.Context,
    bank: Bank,
    count: Annotated[int, typer.Option("--count", min=1, max=16, help="Patterns to mine on each input.")] = 5,
    last: Annotated[bool, typer.Option("--last", help="Show the newest patterns; mine nothing.")] = False,
    json_output: Json = False,
) -> None:
    """Mine patterns of defects in a bank's newest rejects: frequent in them, absent from nominal images."""
    client = client_of(ctx)
    if not last:
        watch(client, client.start_patterns(bank, patterns=count))
    found = client.get_patterns(bank).found
    if found is None:
        say(f"No patterns for {bank} yet.")
        raise typer.Exit(1)
    print_json(found.model_dump(mode="json")) if json_output else print_patterns(found)


@commands.command()
def pareto(
    ctx: typer.Context,
    bank: Annotated[
        str | None, typer.Argument(help="Bank's id; without it every bank's defects are counted.")
    ] = None,
    since: Since = None,
    until: Until = None,
    station: Annotated[str | None, typer.Option("--station", help="Only of this one.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="CSV file to write instead.")] = None,
    json_output: Json = False,
) -> None:
    """Count defects by kind, the most frequent first. The last 7 days, or up to 31."""
    client, asked = client_of(ctx), {"station": station, **zoned(since=since, until=until)}
    if csv is not None:
        written = (
            client.export_pareto_across_banks(csv, **asked)
            if bank is None
            else client.export_pareto(bank, csv, **asked)
        )
        say(f"Wrote {written}")
        return
    found = client.get_pareto_across_banks(**asked) if bank is None else client.get_pareto(bank, **asked)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    piles: list[Any] = list(found.piles if isinstance(found, Pareto) else found.kinds)
    columns: Columns = {
        "kind": lambda pile: pile.kind or _unnamed(pile),
        "defects": lambda pile: pile.count,
        "share": lambda pile: f"{pile.share:.1%}",
        **({} if bank is not None else {"banks": lambda pile: _most(pile.by_bank)}),
        "stations": lambda pile: _most({name or "none said": n for name, n in pile.by_station.items()}),
        "by day": lambda pile: " ".join(map(str, pile.by_day)),
    }
    print_rows(piles, columns)


@commands.command()
def report(
    ctx: typer.Context,
    bank: Bank,
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")],
    since: Since = None,
    until: Until = None,
    station: Annotated[str | None, typer.Option("--station", help="Only of this one.")] = None,
) -> None:
    """Save a shift's report as one HTML file: totals, defects by kind, trend, what decided. The last 24 hours."""
    span = zoned(since=since, until=until)
    say(f"Wrote {client_of(ctx).save_report(bank, out, station=station, **span)}")


@commands.command()
def economics(
    ctx: typer.Context,
    bank: Bank,
    missed_defect: Annotated[float, typer.Option("--missed-defect", help="What an accepted defect costs.")],
    false_reject: Annotated[
        float, typer.Option("--false-reject", help="What a rejected good part costs, in the same currency.")
    ],
    defect_rate: Annotated[float, typer.Option("--defect-rate", help="Share of parts that are defective.")],
    version: Annotated[
        int | None, typer.Option("--version", help="Version's number (default: the active one).")
    ] = None,
    json_output: Json = False,
) -> None:
    """Find the reject threshold at which missed defects and false rejects cost least. Nothing is changed."""
    costs = {"missed_defect": missed_defect, "false_reject": false_reject, "defect_rate": defect_rate}
    found = client_of(ctx).price_thresholds(bank, version=version, **costs)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    columns: Columns = {
        "reject above": lambda row: row[0],
        "threshold": lambda row: f"{row[1].threshold:.3f}",
        "cost per 1,000 parts": lambda row: f"{row[1].cost:,.2f}",
        "95 %": lambda row: f"{row[1].low:,.2f} to {row[1].high:,.2f}",
        "good rejected": lambda row: f"{row[1].rejected:.2%}",
        "defects missed": lambda row: f"{row[1].missed:.2%}",
    }
    rows = [("cheapest", found.best), ("present", found.present)]
    print_rows([row for row in rows if row[1] is not None], columns)
    say(
        f"Version {found.version}: {found.defects} reviewed defects ({found.missed} of them missed), "
        f"{found.parts} nominal parts. Thresholds from {found.low:.3f} to {found.high:.3f} cost about the same."
    )
    notice(found.caution)


@kinds.command("list")
def list_(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """List the kinds that reviews name, the most frequent first."""
    print_list(
        "kinds", client_of(ctx).list_kinds(bank), json_output, {"kind": "kind", "inspections": "count"}
    )


@kinds.command()
def rename(
    ctx: typer.Context,
    bank: Bank,
    old: Annotated[str, typer.Argument(help="The kind as it is called now.")],
    new: Annotated[str, typer.Argument(help="The new name; that of another kind makes them one.")],
) -> None:
    """Call a kind by another name, or make two kinds one."""
    done = client_of(ctx).rename_kind(bank, old, new)
    say(f"{done.inspections} inspections of {bank} have the kind {done.kind} now")


def _unnamed(pile: Any) -> str:
    group = getattr(pile, "group", 0)
    return f"unnamed, group {group}" if group else "unnamed"


def _most(counts: Mapping[str, int]) -> str:
    """The three that have most."""
    found = sorted(counts.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {n}" for name, n in found[:3]) + (" ..." if len(found) > 3 else "")
