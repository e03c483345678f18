"""Webhooks: a POST of each event, signed as Standard Webhooks say (standardwebhooks.com); a 2xx acknowledges it.

A signature is the base64 of an HMAC-SHA256, by the secret's bytes, of ``id.timestamp.body``. While a secret is replaced
there is one by each of the two. No redirect is followed, at most 64 KiB of an answer are read, no proxy is asked, and
the address is checked (``addresses.py``).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import httpx
from pydantic import Field, field_validator

from app import __version__
from app.errors import EventRefused, SinkUnreachable
from app.events import Event, Target
from app.events.addresses import networks, reachable
from app.events.certificates import Certificate, trusting
from app.settings import Settings
from app.store.schema import SinkSecret

PREFIX = "whsec_"
SECRET_BYTES = 32
MOST_ANSWER = 64 << 10  # bytes that are read of an answer
CONNECT_SECONDS = 5.0
BUSY = (408, 425, 429)  # answers of one that may take it later, as all from 500 on


class WebhookTarget(Target):
    """An address that takes a POST of each event."""

    kind: Literal["webhook"]
    url: Annotated[str, Field(max_length=2000, description="An http or https address without a password.")]
    ca: Certificate | None = Field(None, description="Whom to trust for https, PEM; the system's when null.")
    timeout_seconds: float = Field(10, ge=0.1, le=60, description="Time in which an answer must be complete.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
            raise ValueError("must be an http or https address with a host, without password and fragment")
        return value


def new_secret() -> str:
    """A secret that is given to the receiver once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signatures(keys: Sequence[str], id: str, at: int, body: str) -> str:
    """The header webhook-signature: one signature a secret, the newest first."""
    signed = f"{id}.{at}.{body}".encode()
    digests = [
        hmac.digest(base64.b64decode(key.removeprefix(PREFIX)), signed, hashlib.sha256) for key in keys
    ]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class Webhook:
    """A receiver over HTTP."""

    lost: str | None = None

    def __init__(self, target: WebhookTarget, keys: Sequence[SinkSecret], settings: Settings) -> None:
        self._target, self._keys = target, keys
        self._url, self._allowed = httpx.URL(target.url), networks(settings.sink_addresses)
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Makes no connection yet. Raises SinkUnreachable where there is no secret to sign by."""
        if not self._keys:
            raise SinkUnreachable(
                requirement="a webhook needs a secret to sign events by",
                received="none: a backup holds no secrets",
                remedy="Rotate its secret, and give the new one to the receiver.",
            )
        verify: ssl.SSLContext | bool = self._url.scheme == "https"
        if verify:
            verify = await asyncio.to_thread(trusting, self._target.ca)
        seconds = self._target.timeout_seconds
        patience = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        self._client = httpx.AsyncClient(verify=verify, trust_env=False, timeout=patience)

    async def send(self, event: Event) -> None:
        """Raises SinkUnreachable, EventRefused."""
        try:
            async with asyncio.timeout(self._target.timeout_seconds):
                await self._post(event)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise self._silent(f"none within {self._target.timeout_seconds:g} s") from error
        except httpx.HTTPError as error:
            raise self._silent(f"{type(error).__name__}: {error or 'a broken connection'}"[:300]) from error

    async def close(self) -> None:
        """Ends its connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, event: Event) -> None:
        assert self._client is not None
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        addresses = await reachable(self._url.host, port, self._allowed)
        for place, address in enumerate(addresses, 1):
            request = self._request(event, address)
            try:
                response = await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(addresses):
                    raise
                continue
            try:
                return await self._judge(response)
            finally:
                await response.aclose()

    def _request(self, event: Event, address: str) -> httpx.Request:
        """To the address, under the name: of that is the certificate, and by that the receiver knows its site."""
        assert self._client is not None
        now = datetime.now(UTC)
        at = int(now.timestamp())
        keys = [key.text for key in self._keys if key.expires_at is None or key.expires_at > now]
        headers = {
            "host": self._url.netloc.decode(),
            "content-type": "application/cloudevents+json; charset=utf-8",
            "accept-encoding": "identity",
            "user-agent": f"nominal/{__version__}",
            "webhook-id": event.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signatures(keys, event.id, at, event.body),
        }
        return self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=event.body.encode(),
            headers=headers,
            extensions={"sni_hostname": self._url.host},
        )

    async def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if 300 <= status < 400:
            raise self._refused(f"a redirect ({status})", "Give the address that it leads to.")
        if status >= 500 or status in BUSY:
            raise self._silent(f"status {status}")
        if not 200 <= status < 300:
            raise self._refused(f"status {status}", "See the receiver's log.")
        read = 0
        async for chunk in response.aiter_raw():
            read += len(chunk)
            if read > MOST_ANSWER:
                raise self._refused("an answer of more than 64 KiB", "Answer 204, without a body.")

    def _silent(self, received: str) -> SinkUnreachable:
        return SinkUnreachable(
            requirement=f"the receiver at {self._url.host} must answer with a status from 200 to 299",
            received=received,
            remedy="Check that it runs; the event is sent again.",
        )

    def _refused(self, received: str, remedy: str) -> EventRefused:
        return EventRefused(
            requirement=f"the receiver at {self._url.host} must answer with a status from 200 to 299",
            received=received,
            remedy=remedy,
        )
