"""Signing in at an OpenID provider: the authorization code flow with PKCE, run by Authlib (OpenID Connect Core 1.0).

The provider says who somebody is, and by one of its claims which role they have here. Without a role nobody gets in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from app.errors import StartRefused
from app.settings import Settings
from app.store.errors import SignInRefused
from app.store.keys import RANK
from app.store.schema import Role

NAME = "oidc"
SECONDS = 10.0  # for an answer of the provider
LONGEST_SUBJECT = 255  # by the standard
NAMES = ("name", "preferred_username", "email", "sub")  # what to call somebody, the first that is there
USERNAMES = ("preferred_username", "email", "name", "sub")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """Whom the provider sent: known by issuer and subject; what they are called, and their role here."""

    issuer: str
    subject: str
    username: str
    name: str
    role: Role


class Provider:
    """One provider, found by its issuer. What goes on between leaving and coming back is in ``request.session``."""

    def __init__(self, settings: Settings) -> None:
        """Raises ``StartRefused`` where the extra ``oidc`` is not installed."""
        try:
            from authlib.integrations.starlette_client import OAuth
        except ImportError:
            raise StartRefused(
                requirement="signing in at an OpenID provider needs the package authlib",
                received="NOMINAL_OIDC_ISSUER, and no such package",
                remedy="Install nominal-inspection[oidc], or unset NOMINAL_OIDC_ISSUER.",
            ) from None
        secret = settings.oidc_client_secret
        self._issuer, self._settings = (settings.oidc_issuer or "").rstrip("/"), settings
        self._app: Any = OAuth().register(
            NAME,
            client_id=settings.oidc_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            server_metadata_url=f"{self._issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.oidc_scopes,
                "code_challenge_method": "S256",
                "timeout": SECONDS,
            },
        )

    async def departure(self, request: Request, back: str, again: bool) -> str:
        """Where to send the browser; ``back`` is where the provider sends it afterwards. again: ask for a password.

        Raises ``SignInRefused``.
        """
        with _refusing():
            await self._check_issuer()
            asked = {"prompt": "login"} if again else {}
            answer = await self._app.authorize_redirect(request, back, **asked)
        return str(answer.headers["location"])

    async def arrival(self, request: Request) -> Arrival:
        """Whom the provider sent back here. Raises ``SignInRefused``."""
        with _refusing():
            token = await self._app.authorize_access_token(request)
            claims = dict(token.get("userinfo") or {})
            if claims and self._claimed(claims) is None:
                claims = await self._more(token, claims)
        return self._arrived(claims)

    async def _check_issuer(self) -> None:
        said = (await self._app.load_server_metadata()).get("issuer", "")
        if str(said).rstrip("/") != self._issuer:
            raise ValueError(f"the provider calls itself {str(said)[:200]!a}, not {self._issuer}")

    async def _more(self, token: Mapping[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """The claims, with those that only the provider's userinfo has."""
        if "userinfo_endpoint" not in await self._app.load_server_metadata():
            return claims
        told = dict(await self._app.userinfo(token=token))
        if told.get("sub") != claims.get("sub"):
            raise ValueError("userinfo is of another subject than the token")
        return told | claims

    def _claimed(self, claims: Mapping[str, Any]) -> Any:
        """What the claim of roles holds; its name is a path, such as realm_access.roles."""
        if self._settings.oidc_role_claim in claims:  # the whole name first: some are addresses with dots
            return claims[self._settings.oidc_role_claim]
        found: Any = claims
        for part in self._settings.oidc_role_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def _arrived(self, claims: Mapping[str, Any]) -> Arrival:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise _refused("provider", "a token without a subject")
        said = self._claimed(claims)
        words = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        roles = [self._settings.oidc_roles[word] for word in words if word in self._settings.oidc_roles]
        if not roles:
            raise _refused("no_role", f"{_called(claims, USERNAMES)}, without a role of this service")
        role = max(roles, key=RANK.__getitem__)
        return Arrival(self._issuer, subject, _called(claims, USERNAMES), _called(claims, NAMES), role)


def _called(claims: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (claims.get(name) for name in names)
    return next(" ".join(word.split()) for word in found if isinstance(word, str) and word.strip())


@contextmanager
def _refusing() -> Iterator[None]:
    """What goes wrong between here and the provider in the block becomes ``SignInRefused``; the log has it."""
    from authlib.integrations.base_client import MismatchingStateError, OAuthError

    try:
        yield
    except MismatchingStateError:
        raise _refused("stale", "an answer to another request") from None
    except Exception as error:  # whatever a provider, or the network to it, can do wrong
        if isinstance(error, OAuthError) and error.error in ("access_denied", "login_required"):
            raise _refused("denied", "a refusal by the provider") from None
        log.warning("the OpenID provider could not be used: %s: %s", type(error).__name__, error)
        raise _refused("provider", "no usable answer of the provider") from None


def _refused(reason: str, received: str) -> SignInRefused:
    error = SignInRefused(
        requirement="signing in needs the OpenID provider's word, and a role from it",
        received=received,
        remedy="Sign in again, or ask an administrator.",
    )
    error.reason = reason
    return error
