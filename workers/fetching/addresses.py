"""Which addresses may be reached: those on the public internet, and those that the operator allows.

An IPv6 address may carry an IPv4 address that a router on the way unwraps. Both are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from models.errors import ErrorCode
from workers.fetching import FetchError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The only IPv6 space that is routed publicly (RFC 4291 §2.4, IANA IPv6 Global Unicast Address
# Assignments). Outside lie, among others: ::/96 (unspecified, loopback, IPv4-compatible; RFC 4291),
# 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64; RFC 6052, RFC 8215), 100::/64 (discard; RFC 6666),
# 5f00::/16 (segment routing; RFC 9602), fc00::/7 (unique local; RFC 4193), fe80::/10 (link-local;
# RFC 4291), fec0::/10 (site-local; RFC 3879) and ff00::/8 (multicast; RFC 4291).
_PUBLIC_IPV6 = IPv6Network("2000::/3")

# Networks that are not public in the rest (IANA IPv4 and IPv6 Special-Purpose Address Registries).
_NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # this network: RFC 1122 §3.2.1.3
    IPv4Network("10.0.0.0/8"),  # private: RFC 1918
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT: RFC 6598
    IPv4Network("127.0.0.0/8"),  # loopback: RFC 1122 §3.2.1.3
    IPv4Network("169.254.0.0/16"),  # link-local, cloud metadata: RFC 3927
    IPv4Network("172.16.0.0/12"),  # private: RFC 1918
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments: RFC 6890
    IPv4Network("192.0.2.0/24"),  # documentation: RFC 5737
    IPv4Network("192.88.99.0/24"),  # 6to4 relays: RFC 7526
    IPv4Network("192.168.0.0/16"),  # private: RFC 1918
    IPv4Network("198.18.0.0/15"),  # benchmarks: RFC 2544
    IPv4Network("198.51.100.0/24"),  # documentation: RFC 5737
    IPv4Network("203.0.113.0/24"),  # documentation: RFC 5737
    IPv4Network("224.0.0.0/4"),  # multicast: RFC 5771
    IPv4Network("240.0.0.0/4"),  # reserved, broadcast: RFC 1112 §4, RFC 919
    IPv6Network("2001::/23"),  # IETF protocol assignments: RFC 2928; in it Teredo: RFC 4380,
    #                            benchmarks: RFC 5180, ORCHIDv2: RFC 7343
    IPv6Network("2001:db8::/32"),  # documentation: RFC 3849
    IPv6Network("3fff::/20"),  # documentation: RFC 9637
)

# An interface identifier that ends in an IPv4 address (ISATAP, RFC 5214 §6.1): 0000:5efe or, where
# the IPv4 address is globally unique, 0200:5efe.
_ISATAP_MARKS = (0x0000_5EFE, 0x0200_5EFE)


def check_address(address: Address, allow_nets: Iterable[Network] = ()) -> None:
    """Refuse an address that is neither public nor allowed.

    Args:
        address: the address that a connection would be opened to.
        allow_nets: networks that may be reached although they are not public.

    Raises:
        FetchError: blocked_address.
    """
    if not is_reachable(address, allow_nets):
        raise FetchError(
            ErrorCode.BLOCKED_ADDRESS, "The URL leads to an address that is not on the public web."
        )


def is_reachable(address: Address, allow_nets: Iterable[Network] = ()) -> bool:
    """Return whether the address, and any address that it carries, is public or allowed."""
    allow_nets = tuple(allow_nets)
    return all(
        any(each in net for net in allow_nets) or _is_public(each)
        for each in _destinations(address)
    )


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return not any(address in net for net in _NOT_PUBLIC)


def _destinations(address: Address) -> Iterator[Address]:
    """Yield every address at which a packet to this one may arrive.

    NAT64, Teredo and IPv4-compatible forms need no unwrapping: their ranges are never public.
    """
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:  # ::ffff:a.b.c.d is another form of a.b.c.d
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour is not None:  # 2002:aabb:ccdd::, RFC 3056 §2
        yield address.sixtofour
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP_MARKS:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
