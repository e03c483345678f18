"""Where webhooks may go: public addresses, and private networks that a setting names (OWASP, SSRF prevention).

The address that was checked is the one that is connected to, so that a name that resolves to another address a moment
later (DNS rebinding) leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from app.errors import SinkUnreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in the last 32 bits
RESOLVE_SECONDS = 5.0


def networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Of a setting that was checked."""
    return tuple(ipaddress.ip_network(name) for name in names)


async def reachable(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    """The addresses of a host that may be connected to. Raises SinkUnreachable where there are none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise SinkUnreachable(
            requirement=f"the name {host} must resolve",
            received=str(error) or "no answer of the resolver",
            remedy="Check the name and this machine's DNS.",
        ) from error
    names = list(dict.fromkeys(str(address[0]) for *_, address in found))
    fit = [name for name in names if is_permitted(ipaddress.ip_address(name), allowed)]
    if not fit:
        raise SinkUnreachable(
            requirement="a webhook must go to a public address, or to a network that NOMINAL_SINK_ADDRESSES names",
            received=f"{host}, which is {', '.join(names)}",
            remedy=f"""Set NOMINAL_SINK_ADDRESSES='["{names[0]}"]' if this is where events shall go.""",
        )
    return fit


def is_permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether it is public, or in one of the networks; an IPv4 address within an IPv6 one counts as itself."""
    inner = _inner(address)
    if any(each in network for network in allowed for each in (address, inner)):
        return True
    return all(each.is_global and not each.is_multicast for each in (address, inner)) or (
        inner is not address and address in NAT64 and inner.is_global
    )


def _inner(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
