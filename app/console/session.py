"""Console sessions: a signed cookie that names an API key's id, never the key; ended on the server when signed out."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.settings import Settings
from app.store.staging import local_faults

COOKIE = "nominal_session"
SECONDS = 12 * 3600
FILE = "console.secret"


@dataclass(frozen=True)
class Session:
    """Who signed in: the id of the key, and the session's own."""

    key: str
    id: str


class Sessions:
    """Issued and read with one secret; those ended here are refused even where their cookie is kept."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="nominal.console.session")
        self._ended: set[str] = set()

    def issue(self, key: str) -> str:
        """The cookie of a new session."""
        return str(self._serializer.dumps([key, secrets.token_hex(8)]))

    def read(self, connection: HTTPConnection) -> Session | None:
        """The session a request comes with; None where it has none that is whole, young and not ended."""
        try:
            key, id = self._serializer.loads(connection.cookies.get(COOKIE, ""), max_age=SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        return None if id in self._ended else Session(key, id)

    def end(self, session: Session) -> None:
        """Refused from now on."""
        self._ended.add(session.id)


def set_cookie(response: Response, value: str, connection: HTTPConnection) -> None:
    """Give the browser a session: out of scripts' reach, for this site alone."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=SECONDS,
        path=connection.scope.get("root_path") or "/",
        secure=connection.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


def secret_of(settings: Settings) -> str:
    """The setting, else the file in data_dir, made at first use for its owner alone. Raises StoreError."""
    if settings.console_secret is not None:
        return settings.console_secret.get_secret_value()
    with local_faults(settings.data_dir):
        return _file_secret(settings.data_dir / FILE)


def _file_secret(path: Path) -> str:
    made = path.with_name(f"{FILE}.{os.getpid()}")
    if not path.exists():
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(made, path)  # whole or not at all; the first of two servers wins
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text()
