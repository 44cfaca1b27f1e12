"""Which addresses may be reached (the family "Addresses"); no packet is sent here."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ErrorCode
from workers.fetching import FetchError
from workers.fetching.addresses import Address, check_address, is_reachable

NEVER_REACHABLE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0.0.0.0/104",
    "::ffff:10.0.0.0/104",
    "::ffff:127.0.0.0/104",
    "::ffff:169.254.0.0/112",
    "::ffff:192.168.0.0/112",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:2::/48",
    "2001:20::/28",
    "2001:db8::/32",
    "2002:a00::/24",
    "2002:7f00::/24",
    "2002:a9fe::/32",
    "2002:c0a8::/32",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "2606:4700::5efe:a00:0/104",  # ISATAP around 10/8
    "2606:4700::200:5efe:7f00:0/104",  # ISATAP around 127/8
)

NEIGHBOURS = (
    "1.0.0.0",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "128.99.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "::ffff:172.32.0.0",
    "2000::",
    "2001:200::",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2002:808:808::1",
    "2606:4700::5efe:808:808",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
)


@pytest.mark.parametrize("network", NEVER_REACHABLE)
def test_the_first_middle_and_last_address_of_a_range_are_blocked(network: str) -> None:
    net = ip_network(network)
    for address in (net[0], net[net.num_addresses // 2], net[-1]):
        with pytest.raises(FetchError) as refused:
            check_address(address)
        assert refused.value.code == ErrorCode.BLOCKED_ADDRESS


@pytest.mark.parametrize("address", NEIGHBOURS)
def test_the_neighbours_of_a_range_stay_reachable(address: str) -> None:
    check_address(ip_address(address))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::1/128"),
        ("fd00::1", "fd00::/8"),
    ],
)
def test_the_operator_may_allow_a_network(address: str, allowed: str) -> None:
    check_address(ip_address(address), [ip_network("192.168.0.0/16"), ip_network(allowed)])


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "127.0.0.2", "::1", "2002:7f00:2::", "2606:4700::5efe:127.0.0.2"]
)
def test_an_allowed_network_allows_nothing_else(address: str) -> None:
    assert not is_reachable(ip_address(address), [ip_network("127.0.0.1/32")])


# Where Python's tables (IANA's registries of one day) differ, and why ours is right

STRICTER = {
    "192.0.0.0/24": "IETF protocols: the anycast addresses in it are no web servers",
    "192.88.99.0/24": "relays of 6to4, withdrawn by RFC 7526",
    "224.0.0.0/4": "multicast: Python calls it global",
    "::/3": "outside 2000::/3, the only space that is routed publicly: NAT64, unassigned",
    "4000::/2": "the same: unassigned",
    "8000::/1": "the same: unassigned, site-local, multicast",
    "2001::/23": "IETF protocols, in which Python knows some ranges as global",
    "3fff::/20": "documentation since RFC 9637; older Pythons do not know it",
}
LAXER = {
    "2002::/16": "6to4 is judged by the IPv4 address in it; Python calls all of it private, or none"
}


def stands_for(address: Address) -> list[Address]:
    """What an address leads to, read from its bits by ourselves."""
    number = int(address)
    if address.version == 4:
        return [address]
    if number >> 32 == 0xFFFF:
        return [IPv4Address(number & 0xFFFF_FFFF)]
    inside: list[Address] = [address]
    if number >> 112 == 0x2002:
        inside.append(IPv4Address((number >> 80) & 0xFFFF_FFFF))
    if (number >> 32) & 0xFDFF_FFFF == 0x5EFE:
        inside.append(IPv4Address(number & 0xFFFF_FFFF))
    return inside


def within(address: Address, table: dict[str, str]) -> bool:
    return any(address in ip_network(network) for network in table)


edges = st.sampled_from([ip_network(n) for n in (*NEVER_REACHABLE, *STRICTER, *LAXER)]).flatmap(
    lambda net: st.sampled_from([int(net[0]) - 1, int(net[0]), int(net[-1]), int(net[-1]) + 1]).map(
        lambda number: (IPv4Address if net.version == 4 else IPv6Address)(
            number % 2**net.max_prefixlen
        )
    )
)


@settings(max_examples=300)
@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), edges))
def test_vetting_agrees_with_python_but_for_known_differences(address: Address) -> None:
    meant = stands_for(address)

    if is_reachable(address):
        assert all(each.is_global or within(each, LAXER) for each in meant)
    else:
        assert any(not each.is_global or within(each, STRICTER) for each in meant)


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_the_same_inside_others(address: IPv4Address) -> None:
    number = int(address)
    reachable = is_reachable(address)

    assert is_reachable(IPv6Address(0xFFFF << 32 | number)) == reachable
    assert is_reachable(IPv6Address(0x2002 << 112 | number << 80 | 1)) == reachable
    assert is_reachable(IPv6Address(0x2A00_1450 << 96 | 0x5EFE << 32 | number)) == reachable
