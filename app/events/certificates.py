"""Whom sinks trust over TLS: the system's authorities, or those of a certificate given as PEM."""

from __future__ import annotations

import ssl
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST = 64 << 10


def _is_readable(pem: str) -> str:
    try:
        trusting(pem)
    except (ssl.SSLError, ValueError, UnicodeError) as error:
        raise ValueError("must be certificates as PEM, from BEGIN CERTIFICATE to END CERTIFICATE") from error
    return pem


Certificate = Annotated[str, Field(max_length=LONGEST), AfterValidator(_is_readable)]
"""Certificates of authorities, as PEM. Whoever one of them vouches for is trusted, nobody else."""


def trusting(pem: str | None) -> ssl.SSLContext:
    """A context for connections to whom these authorities vouch for; those of the system when None."""
    return ssl.create_default_context(cadata=pem)
