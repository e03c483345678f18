"""``nominal remote sinks opcua`` and ``modbus``: sinks that controllers connect to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import Json
from app.cli.remote.sinks import Banks, Decisions, Id, Kinds, Stations, create, pem_in

Address = Annotated[str, typer.Option(help="IP address to listen on, of the server that has the sink.")]


def opcua(
    ctx: typer.Context,
    sink: Id,
    address: Address = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 4840,
    security: Annotated[str, typer.Option(help="encrypt, sign or none.")] = "encrypt",
    username: Annotated[str | None, typer.Option(help="The password is asked for.")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Clients need no user name.")] = False,
    clients: Annotated[
        Path | None, typer.Option(help="PEM file of client certificates or their authorities to let in.")
    ] = None,
    kinds: Kinds = None,
    banks: Banks = None,
    decisions: Decisions = None,
    stations: Stations = None,
    json_output: Json = False,
) -> None:
    """Create an OPC UA server that shows each bank's last result and sends an event of each."""
    target = {"kind": "opcua", "address": address, "port": port, "security": security, "username": username}
    target |= {"anonymous": anonymous, "clients": pem_in(clients, "--clients")}
    asked = None if username is None else typer.prompt("Password", hide_input=True, err=True)
    filters = {"kinds": kinds, "banks": banks, "decisions": decisions, "stations": stations}
    create(ctx, sink, target, json_output, **filters, password=asked)


def modbus(
    ctx: typer.Context,
    sink: Id,
    units: Annotated[list[str], typer.Argument(help="BANK=UNIT, such as caps=1; units are 1 to 247.")],
    address: Address = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 502,
    scale: Annotated[int, typer.Option(help="Factor of scores in 16-bit registers.")] = 100,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Show the next result once this one was acknowledged.")
    ] = False,
    decisions: Decisions = None,
    stations: Stations = None,
    json_output: Json = False,
) -> None:
    """Create a Modbus TCP server that shows each bank's last result in coils and registers."""
    target = {"kind": "modbus", "address": address, "port": port, "scale": scale, "acknowledge": acknowledge}
    said = {"units": dict(map(_unit, units))}
    create(ctx, sink, target | said, json_output, decisions=decisions, stations=stations)


def add_to(sinks: typer.Typer) -> None:
    """As commands of ``nominal remote sinks``."""
    for command in (opcua, modbus):
        sinks.command()(command)


def _unit(text: str) -> tuple[str, int]:
    bank, _, unit = text.rpartition("=")
    if not bank or not unit.isdecimal():
        raise typer.BadParameter(
            f"a unit is BANK=NUMBER, such as caps=1; received {text!a}", param_hint="UNITS"
        )
    return bank, int(unit)
