"""Which addresses a name stands for, and whether they are anybody's: a name must not lead into a private network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

# IPv6 that carries IPv4, or that leads nowhere public though Python has no word for it.
SUSPECT = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::/96", "fec0::/10")))

MOST = 4  # addresses of one name that are tried

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotPublic(Exception):
    """The name leads to an address that is not public."""


def connect(host: str, port: int | None, *, literal: bool, timeout: float) -> socket.socket:
    """To the first address of *host* that answers within *timeout* seconds; OSError where none does, or NotPublic."""
    failure: OSError | None = None
    for address in look_up(host, port, literal=literal)[:MOST]:
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except OSError as exc:
            failure = exc
    raise failure or OSError("no address")


def look_up(host: str, port: int | None, *, literal: bool) -> list[str]:
    """The addresses of *host*, all of them public, or NotPublic. A *literal* one may be what it is."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not literal and not all(is_public(address) for address in addresses):
        raise NotPublic(host)
    return addresses


def is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in _insides(address))


def _insides(address: Address) -> Iterator[Address]:
    """*address*, and the IPv4 address that it may carry."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if any(address in network for network in SUSPECT):
            yield ipaddress.IPv4Address(0)  # whatever it leads to, it is not plainly public


def is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True
