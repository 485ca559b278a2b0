"""Which addresses a monitor may have: the table, address by address."""

from ipaddress import ip_address

import pytest

from gateway.upstream.addresses import AddressPolicy, as_address, interleaved, is_global_unicast

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "13.107.136.8",
    "100.63.255.255",
    "100.128.0.0",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2003::1",
    "2603:1061:1300::5",
    "2a01:111:f402::1",
    "::ffff:8.8.8.8",
]

OFF_LIMITS = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "::ffff:100.64.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:224.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::a00:1",
    "100::1",
    "2001::1",
    "2001:0:53aa:64c::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2603::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_global_unicast_is_allowed(text: str) -> None:
    assert is_global_unicast(ip_address(text))
    assert AddressPolicy().permits("name.example", ip_address(text))


@pytest.mark.parametrize("text", OFF_LIMITS)
def test_everything_else_is_off_limits(text: str) -> None:
    assert not is_global_unicast(ip_address(text))
    assert not AddressPolicy().permits("name.example", ip_address(text))
    assert AddressPolicy(allow_private=True).permits("name.example", ip_address(text))


def test_a_listed_literal_is_allowed_as_that_literal_only() -> None:
    policy = AddressPolicy(literals=frozenset({"10.0.0.5", "::1"}))
    assert policy.permits("10.0.0.5", ip_address("10.0.0.5"))
    assert policy.permits("0:0:0:0:0:0:0:1", ip_address("::1"))
    assert not policy.permits("10.0.0.6", ip_address("10.0.0.6"))
    assert not policy.permits("name.example", ip_address("10.0.0.5")), "a name is no literal"
    assert not policy.permits("10.0.0.5", ip_address("10.0.0.6")), "the socket's address counts"


@pytest.mark.parametrize(
    "text", ["127.1", "0x7f.0.0.1", "2130706433", "localhost", "", "1.2.3.4.", "01.2.3.4"]
)
def test_odd_spellings_are_names(text: str) -> None:
    assert as_address(text) is None


def test_families_take_turns() -> None:
    texts = ["2603::1", "2603::2", "2603::1", "1.1.1.1", "2603::3", "1.1.1.2"]
    assert [str(address) for address in interleaved(map(ip_address, texts))] == [
        "2603::1",
        "1.1.1.1",
        "2603::2",
        "1.1.1.2",
        "2603::3",
    ]
    assert interleaved([]) == []
