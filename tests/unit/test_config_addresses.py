"""Hosts, host:port and URLs: one spelling comes out, what is ambiguous does not come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.config.addresses import AllowedHost, Host, HostPort, Url, canonical_host

ORIGIN = Url(path=False, example="https://graph.microsoft.com")
PUBLIC = Url(path=True, example="https://graph-gateway.example")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Graph.Microsoft.COM", "graph.microsoft.com"),
        ("localhost", "localhost"),
        ("my_service", "my_service"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("::", "::"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.example", "1.example"),
        ("", None),
        ("a..b", None),
        ("a.b.", None),
        ("-a.b", None),
        ("a b", None),
        ("a\n", None),
        ("[::1]", None),
        ("fe80::1%eth0", None),
        ("127.1", None),
        ("0x7f.0.0.0x1", None),
        ("2130706433", None),
        ("1.2.3.256", None),
        ("bücher.example", None),
        ("\N{KELVIN SIGN}elvin.example", None),
        ("a" * 64 + ".example", None),
        (".".join(["a" * 60] * 5), None),
    ],
)
def test_host_has_one_spelling_or_none(text: str, host: str | None) -> None:
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    ("entry", "spelling"),
    [
        ("Graph.Microsoft.com", "graph.microsoft.com"),
        ("*.SharePoint.com", "*.sharepoint.com"),
        ("*.SharePoint.com:08443", "*.sharepoint.com:8443"),
        ("host:8443", "host:8443"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("0:0::1", "::1"),
        ("[::1]", "::1"),
        ("[0:0::1]:65535", "[::1]:65535"),
    ],
)
def test_entry_of_allowed_hosts_has_one_spelling(entry: str, spelling: str) -> None:
    assert AllowedHost().read(entry) == spelling


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("https://graph.microsoft.com", "write the host alone, without scheme and path"),
        ("graph.microsoft.com/v1.0", "write the host alone, without scheme and path"),
        ("*", 'a wildcard stands for whole labels at the front, such as "*.example.com"'),
        ("a.*.example", 'a wildcard stands for whole labels at the front, such as "*.example.com"'),
        ("x*.example", 'a wildcard stands for whole labels at the front, such as "*.example.com"'),
        ("*.*.example", 'a wildcard stands for whole labels at the front, such as "*.example.com"'),
        ("*.127.0.0.1", 'a wildcard stands for whole labels at the front, such as "*.example.com"'),
        ("bücher.example", "write the name in its ASCII form, which begins with xn--"),
        ("host:0", "write graph.example"),
        ("host:65536", "write graph.example"),
        ("host:", "write graph.example"),
        ("host:https", "write graph.example"),
        ("[host]:1", "write graph.example"),
        ("", "write graph.example"),
        (7, "write graph.example"),
    ],
)
def test_wrong_entry_of_allowed_hosts_is_told_the_right_form(entry: object, advice: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        AllowedHost().read(entry)
    assert caught.value.context is not None
    assert caught.value.context["fix"].startswith(advice)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("10.0.0.7:443", "10.0.0.7:443"),
        ("Proxy.example:8080", "proxy.example:8080"),
        ("[2001:DB8:0::7]:443", "[2001:db8::7]:443"),
    ],
)
def test_host_and_port_have_one_spelling(text: str, spelling: str) -> None:
    assert HostPort().read(text) == spelling


@pytest.mark.parametrize(
    "text", ["host", ":443", "host:", "::1:443", "[::1]", "https://host:443", "host:443/", "h:0", 4]
)
def test_what_is_not_host_and_port_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError, match="must be host:port"):
        HostPort().read(text)


@pytest.mark.parametrize("value", ["[::1]", "http://x", "host:80", "", None, 5])
def test_what_is_no_host_is_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError, match="must be a host name or an IP address"):
        Host().read(value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://graph.microsoft.com", "https://graph.microsoft.com"),
        ("HTTPS://Graph.Microsoft.com/", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com:443", "https://graph.microsoft.com"),
        ("http://graph.microsoft.com:443", "http://graph.microsoft.com:443"),
        ("http://127.0.0.1:8901", "http://127.0.0.1:8901"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origin_has_one_spelling(text: str, url: str) -> None:
    assert ORIGIN.read(text) == url
    assert PUBLIC.read(text) == url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://h/graph/", "https://h/graph"),
        ("https://h:444/a/b%20c", "https://h:444/a/b%20c"),
    ],
)
def test_public_url_keeps_its_prefix(text: str, url: str) -> None:
    assert PUBLIC.read(text) == url


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph.microsoft.com", "must be a URL that begins with https:// or http://"),
        ("ftp://h", "must be a URL that begins with https:// or http://"),
        ("http\N{LATIN SMALL LETTER LONG S}://h", "must be a URL that begins with https:// or http://"),
        (" https://h", "must be a URL that begins with https:// or http://"),
        (5, "must be a URL that begins with https:// or http://"),
        ("https://", "names no usable host and port"),
        ("https://h:99999", "names no usable host and port"),
        ("https://h:", "names no usable host and port"),
        ("https://h\\evil", "names no usable host and port"),
        ("https://u:p@h", "must not hold a user name or a password"),
        ("https://h?x", "must end before ? and #"),
        ("https://h/#", "must end before ? and #"),
        ("https://h/v1.0", "must be scheme, host and port alone"),
        ("https://h//", "must be scheme, host and port alone"),
    ],
)
def test_what_is_no_origin_is_refused(text: object, message: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        ORIGIN.read(text)
    assert caught.value.context is not None
    assert caught.value.context["message"].startswith(message)


@pytest.mark.parametrize("path", ["//", "/a//b", "/a/../b", "/.", "/a b", "/%zz", "/a\r\nX: y", "/ü"])
def test_odd_path_is_no_prefix(path: str) -> None:
    with pytest.raises(PydanticCustomError, match="has a path that cannot be a prefix"):
        PUBLIC.read(f"https://h{path}")


@given(st.one_of(st.text(), st.from_regex(r"(https?://)?[a-z0-9.:\[\]*@%/-]*", fullmatch=True)))
def test_what_was_read_reads_again_as_itself(text: str) -> None:
    for kind in (Host(), AllowedHost(), ORIGIN, PUBLIC):
        try:
            once = kind.read(text)
        except PydanticCustomError:
            continue
        assert kind.read(once) == once
        assert once.isascii()
