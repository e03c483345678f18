"""``nominal remote sinks``: where events go, how they fare there, dead ones shown and resent.

``controllers.py`` has the kinds that controllers connect to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import Columns, Json, print_facts, print_json, print_list, say
from app.cli.remote.banks import client_of
from nominal_client.answers.sinks import NewSink, Sink

sinks = typer.Typer(
    no_args_is_help=True,
    help="Send events to webhooks, MQTT brokers, OPC UA and Modbus clients; watch, resend.",
)

Id = Annotated[str, typer.Argument(help="Sink's id.", show_default=False)]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind of events; may be repeated.")]
Banks = Annotated[list[str] | None, typer.Option("--bank", help="Only of this bank; may be repeated.")]
Decisions = Annotated[
    list[str] | None, typer.Option("--decision", help="Only this decision; may be repeated.")
]
Stations = Annotated[
    list[str] | None, typer.Option("--station", help="Only of this station; may be repeated.")
]
Ca = Annotated[
    Path | None, typer.Option("--ca", help="PEM file of the authority to trust (default: the system's).")
]
COLUMNS: Columns = {
    "sink": "id",
    "kind": "kind",
    "server": "server",
    "on": "enabled",
    "waiting": lambda each: each.events.waiting,
    "dead": lambda each: each.events.dead,
    "delivered": lambda each: each.events.delivered,
    "last error": "error",
}


@sinks.command("list")
def list_(ctx: typer.Context, json_output: Json = False) -> None:
    """List the sinks, with how much waits for each and why the last delivery failed."""
    print_list("sinks", client_of(ctx).list_sinks(), json_output, COLUMNS)


@sinks.command()
def show(ctx: typer.Context, sink: Id) -> None:
    """Show a sink."""
    print_facts(client_of(ctx).get_sink(sink).model_dump(mode="json"))


@sinks.command()
def webhook(
    ctx: typer.Context,
    sink: Id,
    url: Annotated[str, typer.Argument(help="Address that takes a POST of each event.")],
    kinds: Kinds = None,
    banks: Banks = None,
    decisions: Decisions = None,
    stations: Stations = None,
    ca: Ca = None,
    json_output: Json = False,
) -> None:
    """Create a webhook. Its secret is printed this once; the receiver verifies signatures with it."""
    target = {"kind": "webhook", "url": url, "ca": pem_in(ca, "--ca")}
    create(ctx, sink, target, json_output, kinds=kinds, banks=banks, decisions=decisions, stations=stations)


@sinks.command()
def mqtt(
    ctx: typer.Context,
    sink: Id,
    host: Annotated[str, typer.Argument(help="The broker.")],
    port: Annotated[int | None, typer.Option(help="Default: 8883 with TLS, else 1883.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt, and have the broker prove its name.")] = False,
    ca: Ca = None,
    username: Annotated[str | None, typer.Option(help="The password is asked for.")] = None,
    version: Annotated[str, typer.Option(help="3.1.1 or 5.")] = "5",
    topic: Annotated[str, typer.Option(help="May hold {bank} and {kind}.")] = "nominal/{bank}/{kind}",
    kinds: Kinds = None,
    banks: Banks = None,
    decisions: Decisions = None,
    stations: Stations = None,
    json_output: Json = False,
) -> None:
    """Create a sink of an MQTT broker."""
    target = {
        "kind": "mqtt",
        "host": host,
        "port": port,
        "tls": tls,
        "ca": pem_in(ca, "--ca"),
        "username": username,
    }
    target |= {"version": version, "topic": topic}
    asked = None if username is None else typer.prompt("Password", hide_input=True, err=True)
    filters = {"kinds": kinds, "banks": banks, "decisions": decisions, "stations": stations}
    create(ctx, sink, target, json_output, **filters, password=asked)


@sinks.command()
def switch(
    ctx: typer.Context,
    sink: Id,
    off: Annotated[bool, typer.Option("--off/--on", help="Off or on.")] = False,
) -> None:
    """Switch a sink on or off. Off, it gets no new events and sends none."""
    client_of(ctx).update_sink(sink, enabled=not off)
    say(f"{sink} is {'off' if off else 'on'}")


@sinks.command()
def sample(ctx: typer.Context, sink: Id) -> None:
    """Send an event that says it is a sample."""
    say(f"{sink} acknowledged it in {client_of(ctx).send_sample(sink).milliseconds:g} ms")


@sinks.command()
def rotate(
    ctx: typer.Context,
    sink: Id,
    overlap: Annotated[float, typer.Option(help="Hours for which the old secret signs too.")] = 24.0,
) -> None:
    """Give a webhook a new secret, which is printed this once."""
    _tell_secret(client_of(ctx).rotate_sink_secret(sink, overlap * 3600))


@sinks.command()
def events(
    ctx: typer.Context,
    sink: Id,
    state: Annotated[str, typer.Option(help="waiting, delivered or dead.")] = "dead",
    json_output: Json = False,
) -> None:
    """List a sink's events of a state, newest first; with --json their envelopes too."""
    found = [*client_of(ctx).list_sink_events(sink, state)]  # type: ignore[arg-type]  # the server checks it
    columns: Columns = {"event": "id", "bank": "bank", "kind": "kind", "tries": "tries", "error": "error"}
    print_list("events", found, json_output, columns)


@sinks.command()
def resend(
    ctx: typer.Context,
    sink: Id,
    ids: Annotated[list[str] | None, typer.Argument(help="Events' ids (default: all dead ones).")] = None,
) -> None:
    """Send dead events again."""
    say(f"{client_of(ctx).resend_sink_events(sink, ids or None).events} events wait again")


@sinks.command()
def delete(
    ctx: typer.Context,
    sink: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a sink with its events, those that wait too."""
    if not yes:
        typer.confirm(f"Delete {sink} with its events?", abort=True, err=True)
    client_of(ctx).delete_sink(sink)
    say(f"Deleted {sink}")


def create(ctx: typer.Context, sink: str, target: dict[str, Any], json_output: bool, **given: Any) -> None:
    """Make it, and say its secret where one was made; what is None or empty in ``given`` is left out."""
    made = client_of(ctx).create_sink(sink, target, **{name: value for name, value in given.items() if value})
    if json_output:
        print_json(made.model_dump(mode="json"))
    else:
        say(f"Created {made.id}")
        _tell_secret(made)


def _tell_secret(made: Sink) -> None:
    if isinstance(made, NewSink) and made.secret is not None:
        say(f"Secret, shown this once: {made.secret}")


def pem_in(path: Path | None, option: str) -> str | None:
    """The certificates of a file that an option names."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}", param_hint=option) from None
