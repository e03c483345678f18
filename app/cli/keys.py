"""``nominal keys``: API keys of the store that the settings name; works beside a running server and without one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app.cli import app
from app.cli.console import Json, notice, plain, print_json, say, stdout
from app.http.schemas.keys import Key, Role
from app.settings import load_settings
from app.store.schema import ApiKey
from app.store.store import open_store

commands = typer.Typer(
    no_args_is_help=True, help="Make, list, replace and revoke API keys of this machine's store."
)
app.add_typer(commands, name="keys")

KeyId = Annotated[str, typer.Argument(help="Key's id: what stands between its underscores.")]
ACTOR = "cli"


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[Role, typer.Option("--role", help="read, inspect or admin.")] = "inspect",
    days: Annotated[
        float | None, typer.Option("--days", min=0.001, help="Days it is valid; for ever.")
    ] = None,
) -> None:
    """Make a key and print it; it is shown this once. From the first one on, every request needs a key."""
    with open_store(load_settings()) as store:
        _told(*store.keys.create(name, role, actor=ACTOR, days=days))


@commands.command("list")
def list_(json_output: Json = False) -> None:
    """Every key without its secret, oldest first."""
    with open_store(load_settings()) as store:
        found = [Key.model_validate(row) for row in store.keys.all()]
    if json_output:
        print_json({"keys": [key.model_dump(mode="json") for key in found]})
        return
    table = Table("id", "name", "role", "made by", "made", "valid until", "revoked", box=None)
    for key in found:
        times = (
            f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in (key.created_at, key.expires_at, key.revoked_at)
        )
        table.add_row(key.id, plain(key.name), key.role, plain(key.created_by), *times)
    stdout.print(table)


@commands.command()
def rotate(
    key: KeyId,
    overlap_seconds: Annotated[
        float, typer.Option("--overlap-seconds", min=0, help="How long the old key stays valid.")
    ] = 3600,
) -> None:
    """Print a new key in an old one's place."""
    with open_store(load_settings()) as store:
        _told(*store.keys.rotate(key, actor=ACTOR, overlap_seconds=overlap_seconds))


@commands.command()
def revoke(key: KeyId) -> None:
    """Have a key refused from now on, by a running server within two seconds."""
    with open_store(load_settings()) as store:
        row = store.keys.revoke(key, actor=ACTOR)
    say(f"Revoked {row.id} ({row.name})")


def _told(text: str, row: ApiKey) -> None:
    """The key alone on standard output, so that it can be piped."""
    notice(f"Key {row.id} of {row.name}, role {row.role}. It is not shown again.")
    say(text)
