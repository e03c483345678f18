"""``nominal remote inspect``, ``inspections``, ``review``, ``trend``: decisions, the ledger, what people found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from app.cli.console import (
    Columns,
    Json,
    map_names,
    notice,
    print_answers,
    print_facts,
    print_json,
    print_list,
    print_rows,
    say,
)
from app.cli.remote.banks import Bank, client_of
from core.files import write_atomically
from nominal_client import Client, ProblemError, picture_bytes
from nominal_client.answers.explanations import Method
from nominal_client.answers.inspections import Decision, Finding, Inspection
from nominal_client.explanations import facts
from nominal_client.inspections import Asked, Which

commands = typer.Typer()
inspections = typer.Typer(no_args_is_help=True, help="List and export the ledger of inspections.")
commands.add_typer(inspections, name="inspections")

ROW: dict[str, Callable[[Inspection], object]] = {
    "score": lambda found: "not located" if found.reason else f"{found.score:.3f}",
    "threshold": lambda found: f"{found.thresholds.reject:.3f}",
    "decision": lambda found: found.decision,
    "regions": lambda found: len(found.regions),
    "nearest": lambda found: (
        ((near := found.nearest) and f"{near.image} ({near.row}, {near.column})")
        or (found.location and found.location.reason)
    ),
}
Of = Annotated[str | None, typer.Option("--bank", help="Only of this bank.")]
Decided = Annotated[Decision | None, typer.Option("--decision", help="Only with this decision.")]
Serial = Annotated[str | None, typer.Option("--serial", help="Only of this part.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only with this kind of defect.")]
Since = Annotated[datetime | None, typer.Option("--since", help="From this time on, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Before this time, UTC.")]
Inspected = Annotated[str, typer.Argument(help="Inspection's id.")]


@commands.command()
def inspect(
    ctx: typer.Context,
    bank: Bank,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    overlays: Annotated[
        Path | None, typer.Option("--overlays", help="Folder for a picture of each map over its image.")
    ] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="Serial number of the part.")] = None,
    station: Annotated[str | None, typer.Option("--station", help="Where the part was photographed.")] = None,
    within: Annotated[
        float | None,
        typer.Option("--within", help="Seconds within which each answer must come, or be refused."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Inspect images on the server. Refused images are named, the rest inspected; the exit status is then 1."""
    said: Asked = {}
    if serial is not None:
        said["serial"] = serial
    if station is not None:
        said["station"] = station
    client = client_of(ctx)
    targets = [overlays and overlays / f"{name}_overlay.png" for name in map_names(images)]
    answers = [_inspected(client, bank, *each, within, said) for each in zip(images, targets, strict=True)]
    print_answers({"bank": bank}, answers, lambda a: row_of(Inspection.model_validate(a)), json_output)


@inspections.command("list")
def list_(
    ctx: typer.Context,
    bank: Of = None,
    decision: Decided = None,
    serial: Serial = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List at most this many.")] = 50,
    json_output: Json = False,
) -> None:
    """List the newest inspections that match."""
    which = _which(bank=bank, decision=decision, serial=serial, kind=kind, since=since, until=until)
    found = list(islice(client_of(ctx).list_inspections(**which), limit))
    columns: Columns = {
        "inspection": "id",
        "when": lambda i: f"{i.created_at:%Y-%m-%d %H:%M:%S}",
        "bank": "bank",
        "serial": "serial",
        **ROW,
        "verdict": "verdict",
        "kind": "kind",
    }
    print_list("inspections", found, json_output, columns)


@inspections.command()
def export(
    ctx: typer.Context,
    form: Annotated[Literal["csv", "jsonl"], typer.Argument(help="csv or jsonl.")] = "csv",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (default: standard output).")
    ] = None,
    bank: Of = None,
    decision: Decided = None,
    serial: Serial = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export every inspection that matches, newest first."""
    which = _which(bank=bank, decision=decision, serial=serial, kind=kind, since=since, until=until)
    if out is None:
        client_of(ctx).write_inspections(sys.stdout.buffer, form=form, **which)
    else:
        say(f"Wrote {client_of(ctx).export_inspections(out, form=form, **which)}")


@commands.command()
def review(
    ctx: typer.Context,
    inspection: Inspected,
    verdict: Annotated[
        Finding, typer.Argument(help="confirmed_defect, false_alarm, missed_defect, or withdrawn.")
    ],
    note: Annotated[str, typer.Option("--note", help="Anything that helps the next reader.")] = "",
    kind: Annotated[str | None, typer.Option("--kind", help="Kind of the defect, in your words.")] = None,
    teach: Annotated[
        bool,
        typer.Option("--teach", help="Add a false alarm's image to the nominal set, for the next build."),
    ] = False,
) -> None:
    """Record what a person found."""
    client = client_of(ctx)
    said = client.review(inspection, verdict, note, kind=kind)
    say(f"Review {said.revision} of {inspection}: {said.verdict}")
    if teach:
        taught = client.add_false_alarm(inspection)
        say(f"Its image is in the nominal set ({taught.status}), which holds {taught.nominal_images}")


@commands.command()
def explain(
    ctx: typer.Context,
    inspection: Inspected,
    method: Annotated[Method, typer.Option("--method", help="What to draw.")] = "patch-map",
    out: Annotated[Path | None, typer.Option("--out", help="PNG to write: the map over the image.")] = None,
    json_output: Json = False,
) -> None:
    """Explain why an inspection whose image was kept scored as it did. Only the patch map is what it rests on."""
    client = client_of(ctx)
    found = client.explain(inspection, method).model_dump(mode="json")
    if out is not None:
        write_atomically(out, client.get_explanation_picture(inspection, method))
    if json_output:
        print_json(found)
        return
    print_facts(facts(found))
    if found["note"]:
        notice(found["note"])


@commands.command()
def trend(
    ctx: typer.Context,
    bank: Bank,
    since: Since = None,
    until: Until = None,
    station: Annotated[str | None, typer.Option("--station", help="Only of this station.")] = None,
    json_output: Json = False,
) -> None:
    """Show decisions, accepted scores and reviews of a bank by hour of UTC: the last 24, or up to 31 days."""
    found = client_of(ctx).get_trend(bank, **zoned(since=since, until=until), station=station)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    columns: Columns = {
        "hour (UTC)": lambda hour: f"{hour.start:%Y-%m-%d %H:%M}",
        "accept": lambda hour: hour.decided["accept"],
        "review": lambda hour: hour.decided["review"],
        "reject": lambda hour: hour.decided["reject"],
        "median accepted": lambda hour: _score(hour.median),
        "95 % accepted": lambda hour: _score(hour.high),
        "reviewed": "reviewed",
        "agreed": "agreed",
    }
    print_rows([hour for hour in found.hours if sum(hour.decided.values())], columns)


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def row_of(found: Inspection) -> list[object]:
    """Score, threshold, decision, regions and nearest nominal patch, for a table."""
    return [value(found) for value in ROW.values()]


def _inspected(
    client: Client, bank: str, image: Path, target: Path | None, within: float | None, said: Asked
) -> dict[str, Any]:
    try:
        found = client.inspect(bank, image, heatmap="overlay" if target else "none", within=within, **said)
    except ProblemError as error:
        if not error.slug.startswith("image-"):
            raise  # it is not this image's fault
        return {"image": str(image), "error": str(error)}
    except OSError as error:
        return {"image": str(image), "error": error.strerror or str(error)}
    if target is not None and found.heatmap is not None:
        write_atomically(target, picture_bytes(found.heatmap))
    return {"image": str(image), **found.model_dump(mode="json", exclude={"heatmap"})}


def _which(**asked: Any) -> Which:
    """The filters that were given; times are UTC."""
    given = {name: value for name, value in asked.items() if value is not None}
    return cast(Which, zoned(**given))


def zoned(**asked: Any) -> dict[str, Any]:
    """Times are UTC."""
    return {n: v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for n, v in asked.items()}
