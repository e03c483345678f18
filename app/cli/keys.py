"""``nominal keys`` and ``nominal people``: who may call, by this machine's store; ``nominal audit``: proof of its log.

They work on the store that the settings name, beside a running server and without one.
"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import app
from app.cli.console import Json, notice, print_list, say
from app.settings import load_settings
from app.store.links import MOST_MINUTES
from app.store.schema import ApiKey
from app.store.scope import Scope
from app.store.store import open_store
from nominal_client.answers.server import Key, Person, Role

keys = typer.Typer(
    no_args_is_help=True, help="Create, list, replace and revoke API keys in this machine's store."
)
app.add_typer(keys, name="keys")

people = typer.Typer(
    no_args_is_help=True, help="List and sign out those who signed in at the OpenID provider."
)
app.add_typer(people, name="people")

audit = typer.Typer(no_args_is_help=True, help="Prove the audit log of this machine's store.")
app.add_typer(audit, name="audit")

KeyId = Annotated[str, typer.Argument(help="Key's id: the part between its underscores.")]
ACTOR = "cli"


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[Role, typer.Option("--role", help="read, inspect or admin.")] = "inspect",
    days: Annotated[
        float | None,
        typer.Option("--days", min=0.001, help="Days until it expires (default: NOMINAL_KEY_MAX_DAYS)."),
    ] = None,
    bank: Annotated[list[str] | None, typer.Option("--bank", help="Only for this bank; repeatable.")] = None,
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Only for this station; repeatable.")
    ] = None,
) -> None:
    """Create a key and print it; it is shown only once. From the first key on, every request needs one."""
    with open_store(load_settings()) as store:
        scope = Scope.of(bank, station)
        _handed(*store.keys.create(name, role, actor=ACTOR, days=days, scope=scope))


@keys.command("list")
def list_(json_output: Json = False) -> None:
    """List every key without its secret, oldest first."""
    with open_store(load_settings()) as store:
        found = [Key.model_validate(row) for row in store.keys.all()]
    times = {"created": "created_at", "expires": "expires_at", "revoked": "revoked_at"}
    whose = {"id": "id", "name": "name", "role": "role", "created by": "created_by"}
    whose |= {"banks": "banks", "stations": "stations"}
    print_list("keys", found, json_output, whose | times)


@keys.command()
def rotate(
    key: KeyId,
    overlap_seconds: Annotated[
        float, typer.Option("--overlap-seconds", min=0, help="How long the old key stays valid.")
    ] = 3600,
) -> None:
    """Replace a valid key by a new one of the same role, limits and end, and print that."""
    with open_store(load_settings()) as store:
        _handed(*store.keys.rotate(key, actor=ACTOR, overlap_seconds=overlap_seconds))


@keys.command()
def revoke(key: KeyId) -> None:
    """Revoke a key; a running server refuses it within two seconds."""
    with open_store(load_settings()) as store:
        row = store.keys.revoke(key, actor=ACTOR)
    say(f"Revoked {row.id} ({row.name})")


@keys.command()
def link(
    key: KeyId,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, max=MOST_MINUTES, help="How long it may be used.")
    ] = 10,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where people reach the server (default: NOMINAL_HOST, PORT, ROOT_PATH)."),
    ] = None,
) -> None:
    """Print a link by which a browser signs in to the console as a key, once; for people, who then paste no key."""
    settings = load_settings()
    with open_store(settings) as store:
        text, made = store.links.make(key, actor=ACTOR, minutes=minutes)
        name = store.keys.get(key).name
    base = url or f"http://{settings.host}:{settings.port}{settings.root_path}"
    notice(f"Signs in as {name}, once, until {made.expires_at:%Y-%m-%d %H:%M} UTC. It is not shown again.")
    say(f"{base.rstrip('/')}/console/sign-in/link#{text}")


@keys.command("open")
def open_() -> None:
    """Let this machine call without a key again, once no key is valid; the next key closes the service again."""
    with open_store(load_settings()) as store:
        store.keys.open(actor=ACTOR)
    say("Without a key, only this machine may call, until the next key is created")


@people.command("list")
def list_people(json_output: Json = False) -> None:
    """List everybody who signed in at the OpenID provider, by name, with the role of the last time."""
    with open_store(load_settings()) as store:
        found = [Person.model_validate(row) for row in store.people.all()]
    print_list(
        "people", found, json_output, {"id": "id", "name": "name", "role": "role", "last": "signed_in_at"}
    )


@people.command("sign-out")
def sign_out(person: Annotated[str, typer.Argument(help="Person's id, such as person:anna.")]) -> None:
    """End a person's sessions in every browser, within two seconds; the provider decides whether they come back."""
    with open_store(load_settings()) as store:
        row = store.people.end_sessions(person, actor=ACTOR)
    say(f"Signed out {row.id} ({row.name})")


@audit.command()
def verify() -> None:
    """Follow the chain of entries: one that was changed or removed is named."""
    with open_store(load_settings()) as store:
        chain = store.audit.verify()
    say(f"{chain.entries} entries, each follows from the one before; the last has the digest {chain.digest}")


def _handed(text: str, row: ApiKey) -> None:
    """Only the key on standard output, so that it can be piped."""
    notice(f"Key {row.id} of {row.name}, role {row.role}. It is not shown again.")
    say(text)
