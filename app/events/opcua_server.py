"""The server of an OPC UA sink: its certificate, who may connect, what its channels are secured by."""

from __future__ import annotations

import hmac
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from app import __version__
from app.events.opcua import OpcUaTarget

DAYS = 3650
POLICIES = {
    "encrypt": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "sign": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "none": ua.SecurityPolicyType.NoSecurity,
}
PRODUCT = "urn:nominal:inspection"


async def server_of(target: OpcUaTarget, password: str | None, name: str, folder: Path) -> Server:
    """Not yet listening. folder: holds its certificate and key, made where they are missing."""
    machine = socket.gethostname()
    server = Server(user_manager=Users(target, password))
    uri = f"urn:{machine}:nominal:{name}"
    await server.init()
    await server.set_application_uri(uri)
    server.set_server_name(f"Nominal {name}")
    server.product_uri = PRODUCT
    await server.set_build_info(PRODUCT, "Nominal", "Nominal", __version__, "", datetime.now(UTC))
    host = f"[{target.address}]" if ":" in target.address else target.address
    server.set_endpoint(f"opc.tcp://{host}:{target.port}/nominal")
    server.set_security_policy([POLICIES[target.security]])
    tokens = [ua.UserNameIdentityToken] if target.username is not None else []
    server.set_identity_tokens([*tokens, *([ua.AnonymousIdentityToken] if target.anonymous else [])])
    certificate, key = _certificate(folder, uri, machine)
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    if target.clients is not None:
        server.set_certificate_validator(Clients(target.clients))
    return server


class Users:
    """Who may sign in: the one of the sink, and whoever where it says so. Nobody may write."""

    def __init__(self, target: OpcUaTarget, password: str | None) -> None:
        self._target, self._password = target, password

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """As asyncua asks: None lets nobody in."""
        if username is None:
            return User(role=UserRole.User) if self._target.anonymous else None
        if self._target.username is None or self._password is None:
            return None
        given = f"{username}\0{password or ''}".encode()
        right = hmac.compare_digest(given, f"{self._target.username}\0{self._password}".encode())
        return User(role=UserRole.User, name=username) if right else None


class Clients:
    """Certificates that are let in: those given, and those that one of them has signed."""

    def __init__(self, pem: str) -> None:
        self._trusted = x509.load_pem_x509_certificates(pem.encode())

    async def __call__(self, certificate: x509.Certificate, _description: ua.ApplicationDescription) -> None:
        """Raises asyncua's ServiceError for any other, and for one that is not valid now."""
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ServiceError(ua.StatusCodes.BadCertificateTimeInvalid)
        if not any(certificate == each or _signed_by(certificate, each) for each in self._trusted):
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _certificate(folder: Path, uri: str, machine: str) -> tuple[Path, Path]:
    """(its certificate as DER, its key as PEM); only the server's user reads them."""
    certificate, key = folder / "certificate.der", folder / "key.pem"
    if not (certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = generate_private_key()
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName(machine)]
        own = generate_self_signed_app_certificate(
            made, f"Nominal {machine}", {}, names, [ExtendedKeyUsageOID.SERVER_AUTH], DAYS
        )
        _write(key, dump_private_key_as_pem(made))
        _write(certificate, own.public_bytes(Encoding.DER))
    return certificate, key


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
