"""Monitor URLs: what may be polled, and the many that may not. A Location is hostile until checked."""

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.dialects.monitor_url import MonitorRules, check, on_upstream, origin_of, shown

GRAPH = "https://graph.microsoft.com"
HOSTS = ("graph.microsoft.com", "*.sharepoint.com", "api.onedrive.com", "my.microsoftpersonalcontent.com")
RULES = MonitorRules(GRAPH, HOSTS)
LITERAL = MonitorRules(GRAPH, ("127.0.0.1", "[::1]:8443", "2001:DB8::1", "10.0.0.1:9000"))
LOOSE = MonitorRules("http://127.0.0.1:5000", ("localhost", "sim.test"), allow_http=True, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.sharepoint.com/_api/v2.0/monitor/049af13f",
        "https://contoso.sharepoint.com/sites/FromSite/_api/v2.1/monitor/049af13f",
        "https://contoso-my.sharepoint.com/personal/u/_api/v2.1/drive/operations/x?c=a%3D%2F&v=2.0&tempauth=e%2Ds%27",
        "https://api.onedrive.com/monitor/4A3407B5-88FC-4504-8B21-0AABD3412717",
        "https://my.microsoftpersonalcontent.com/personal/5f66/_api/v2.1/monitor/1",
        "https://graph.microsoft.com/v1.0/teams('x')/operations('y')",
        "HTTPS://Contoso.SharePoint.COM/_api/v2.0/monitor/1",
        "https://contoso.sharepoint.com:443/monitor/1",
        "https://a.b.c.sharepoint.com/monitor/1",
        "https://contoso.sharepoint.com",
        "https://contoso.sharepoint.com?monitor=1",
        "https://contoso.sharepoint.com/a//b/../c;d='(x)'|{y}",
        "https://contoso.sharepoint.com/x?u=https://evil.test/@y",
    ],
)
def test_may_be_polled(url: str) -> None:
    assert check(url, RULES) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        # schemes
        ("http://contoso.sharepoint.com/monitor/1", "scheme"),
        ("http://graph.microsoft.com/monitor/1", "scheme"),
        ("ftp://contoso.sharepoint.com/monitor/1", "scheme"),
        ("file://contoso.sharepoint.com/etc/passwd", "scheme"),
        ("gopher://contoso.sharepoint.com/1", "scheme"),
        ("wss://contoso.sharepoint.com/1", "scheme"),
        ("javascript:alert(1)", "malformed"),
        ("data:text/html,x", "malformed"),
        # no authority, or one that only some parsers see
        ("", "malformed"),
        ("/monitor/1", "malformed"),
        ("//evil.test/monitor/1", "malformed"),
        ("///evil.test", "malformed"),
        ("https:", "malformed"),
        ("https:/contoso.sharepoint.com/monitor/1", "malformed"),
        ("https:contoso.sharepoint.com", "malformed"),
        ("https://", "malformed"),
        ("https:///evil.test/monitor/1", "malformed"),
        ("https:////contoso.sharepoint.com", "malformed"),
        ("contoso.sharepoint.com/monitor/1", "malformed"),
        # userinfo
        ("https://user@contoso.sharepoint.com/", "userinfo"),
        ("https://user:pw@contoso.sharepoint.com/", "userinfo"),
        ("https://contoso.sharepoint.com@evil.test/", "userinfo"),
        ("https://contoso.sharepoint.com:443@evil.test/", "userinfo"),
        ("https://@contoso.sharepoint.com/", "userinfo"),
        ("https://a@b@contoso.sharepoint.com/", "userinfo"),
        ("https://contoso.sharepoint.com%40evil.test/", "malformed"),
        # backslashes, white space, control characters, quotes
        ("https://evil.test\\@graph.microsoft.com/", "malformed"),
        ("https://contoso.sharepoint.com\\.evil.test/", "malformed"),
        ("https:\\\\contoso.sharepoint.com/", "malformed"),
        ("https://contoso.sharepoint.com/a\\b", "malformed"),
        (" https://contoso.sharepoint.com/", "malformed"),
        ("https://contoso.sharepoint.com/ HTTP/1.1", "malformed"),
        ("https://contoso.sharepoint.com/\r\nHost: evil.test", "malformed"),
        ("https://contoso.sharepoint.com/\n", "malformed"),
        ("https://contoso.sharepoint.com/\t1", "malformed"),
        ("https://conto\tso.sharepoint.com/", "malformed"),
        ("https://contoso.sharepoint.com/\x00", "malformed"),
        ("https://contoso.sharepoint.com/\x7f", "malformed"),
        ('https://contoso.sharepoint.com/"', "malformed"),
        ("https://contoso.sharepoint.com/<b>", "malformed"),
        # fragments
        ("https://evil.test#@contoso.sharepoint.com/", "malformed"),
        ("https://contoso.sharepoint.com/monitor/1#x", "malformed"),
        ("https://contoso.sharepoint.com#", "malformed"),
        # names that are not on the list
        ("https://evil.test/monitor/1", "host"),
        ("https://sharepoint.com/", "host"),
        ("https://evilsharepoint.com/", "host"),
        ("https://contoso.sharepoint.com.evil.test/", "host"),
        ("https://evil.test?x=.sharepoint.com", "host"),
        ("https://evil.test/.sharepoint.com", "host"),
        ("https://xgraph.microsoft.com/", "host"),
        ("https://sub.graph.microsoft.com/", "host"),
        ("https://localhost/", "host"),
        ("https://metadata/", "host"),
        # names that are not names
        ("https://contoso.sharepoint.com./", "malformed"),
        ("https://.sharepoint.com/", "malformed"),
        ("https://a..sharepoint.com/", "malformed"),
        ("https://*.sharepoint.com/", "malformed"),
        ("https://contoso%2esharepoint.com/", "malformed"),
        ("https://contoso.sharepoint%00.com/", "malformed"),
        (f"https://{'a' * 64}.sharepoint.com/", "malformed"),
        (f"https://{'a.' * 130}sharepoint.com/", "malformed"),
        # letters that turn into others
        ("https://\uff47raph.microsoft.com/", "malformed"),
        ("https://contoso。sharepoint。com/", "malformed"),
        ("https://evil.test／.sharepoint.com/", "malformed"),
        ("https://evil.test＃.sharepoint.com/", "malformed"),
        ("https://ſharepoint.sharepoint.com/", "malformed"),
        ("https://gra\u00adph.microsoft.com/", "malformed"),
        ("https://контосо.sharepoint.com/", "malformed"),
        ("https://graph.mıcrosoft.com/", "malformed"),
        # ports
        ("https://contoso.sharepoint.com:80/", "port"),
        ("https://contoso.sharepoint.com:8443/", "port"),
        ("https://contoso.sharepoint.com:22/", "port"),
        ("https://contoso.sharepoint.com:99999/", "port"),
        ("https://contoso.sharepoint.com:0/", "malformed"),
        ("https://contoso.sharepoint.com:/", "malformed"),
        ("https://contoso.sharepoint.com:0443/", "malformed"),
        ("https://contoso.sharepoint.com:-1/", "malformed"),
        ("https://contoso.sharepoint.com:443:443/", "malformed"),
        ("https://contoso.sharepoint.com:４４３/", "malformed"),
        ("https://contoso.sharepoint.com:443a/", "malformed"),
        # addresses, plainly spelled and not
        ("https://127.0.0.1/", "host"),
        ("https://169.254.169.254/latest/meta-data", "host"),
        ("https://8.8.8.8/", "host"),
        ("https://2130706433/", "address"),
        ("https://0x7f000001/", "address"),
        ("https://0x7f.0.0.1/", "address"),
        ("https://127.0.0.0x1/", "address"),
        ("https://0177.0.0.1/", "address"),
        ("https://127.1/", "address"),
        ("https://127.0.0.1./", "malformed"),
        ("https://127.0.0.256/", "address"),
        ("https://0/", "address"),
        ("https://1.2.3.4.5/", "address"),
        ("https://[::1]/", "host"),
        ("https://[::ffff:127.0.0.1]/", "host"),
        ("https://[fe80::1%25eth0]/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://::1/", "malformed"),
        ("https://[127.0.0.1]/", "address"),
        ("https://[v1.x]/", "malformed"),
        ("https://[]/", "malformed"),
        ("https://[::1]evil.test/", "malformed"),
        ("https://[:::1]/", "address"),
    ],
)
def test_must_not_be_polled(url: str, reason: str) -> None:
    assert check(url, RULES) == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1/", None),
        ("https://127.0.0.1:8443/", "port"),
        ("https://[::1]:8443/", None),
        ("https://[0:0:0:0:0:0:0:1]:8443/", None),
        ("https://[::1]/", "port"),
        ("https://[2001:db8::1]/", None),
        ("https://10.0.0.1:9000/", None),
        ("https://10.0.0.1/", "port"),
        ("https://10.0.0.2:9000/", "host"),
        ("https://[::ffff:127.0.0.1]/", "host"),
    ],
)
def test_addresses_only_where_listed_literally(url: str, reason: str | None) -> None:
    assert check(url, LITERAL) == reason


@pytest.mark.parametrize(
    ("entries", "url", "reason"),
    [
        (("sim.test:8443",), "https://sim.test:8443/", None),
        (("sim.test:8443",), "https://sim.test/", "port"),
        (("sim.test:8443", "sim.test"), "https://sim.test/", None),
        (("*.sim.test:8443",), "https://a.sim.test:8443/", None),
        (("*.sim.test:8443",), "https://a.sim.test/", "port"),
        (("SIM.Test",), "https://sim.test/", None),
        ((" sim.test ",), "https://sim.test/", None),
        # entries that match nothing
        (("*",), "https://sim.test/", "host"),
        (("*.",), "https://sim.test/", "host"),
        (("",), "https://sim.test/", "host"),
        (("*sim.test",), "https://sim.test/", "host"),
        (("https://sim.test",), "https://sim.test/", "host"),
        (("*.127.0.0.1",), "https://1.127.0.0.1/", "address"),
        (("*.0.0.1",), "https://127.0.0.1/", "host"),
        (("[127.0.0.1]",), "https://127.0.0.1/", "host"),
    ],
)
def test_entries(entries: tuple[str, ...], url: str, reason: str | None) -> None:
    assert check(url, MonitorRules(GRAPH, entries)) == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:5000/monitor/1", None),  # the upstream's own origin needs no entry
        ("HTTP://127.0.0.1:5000/monitor/1", None),
        ("http://127.0.0.1:5001/monitor/1", "host"),
        ("https://127.0.0.1:5000/monitor/1", "host"),
        ("http://localhost/", None),
        ("http://localhost:1234/", None),
        ("https://sim.test:1234/", None),
        ("http://u@127.0.0.1:5000/monitor/1", "userinfo"),
    ],
)
def test_simulators(url: str, reason: str | None) -> None:
    assert check(url, LOOSE) == reason


def test_http_on_its_own_port_is_enough_for_allow_http() -> None:
    rules = MonitorRules(GRAPH, ("sim.test",), allow_http=True)
    assert check("http://sim.test/", rules) is None
    assert check("http://sim.test:80/", rules) is None
    assert check("http://sim.test:8080/", rules) == "port"


def test_an_origin_is_scheme_host_and_port() -> None:
    assert on_upstream("https://GRAPH.microsoft.com:443/v1.0/x", RULES)
    assert not on_upstream("https://graph.microsoft.com:444/v1.0/x", RULES)
    assert not on_upstream("https://graph.microsoft.com.evil.test/", RULES)
    assert not on_upstream("nonsense", MonitorRules("nonsense"))
    assert origin_of("https://[0::1]/") == origin_of("https://[::1]:443/x")


def test_case_53_what_is_shown_of_a_monitor_holds_no_secret() -> None:
    assert shown("https://Contoso.sharepoint.com/_api/v2.1/operations/1?tempauth=eyJ") == (
        "https://contoso.sharepoint.com/…"
    )
    assert shown("https://u:secret@contoso.sharepoint.com/") == "(not a monitor URL)"


AWKWARD = (
    "https:// http:// // / \\ @ : ? # [ ] . %40 %2f .sharepoint.com contoso graph.microsoft.com api.onedrive.com "
    "evil.test 127.0.0.1 ::1 2130706433 0x7f 443 80 :443 \t \r\n a 。 ／ ＠ ſ"
)
awkward = st.sampled_from(AWKWARD.split(" "))
allowed = st.sampled_from(
    ["graph.microsoft.com", "api.onedrive.com", "contoso.sharepoint.com", "A.sharepoint.com:443"]
)
urls = (
    st.lists(awkward, max_size=8).map("".join)
    | st.tuples(st.lists(awkward, max_size=2), allowed, st.lists(awkward, max_size=4)).map(
        lambda parts: "https://" + "".join(parts[0]) + parts[1] + "".join(parts[2])
    )
    | allowed.flatmap(lambda host: st.text(max_size=20).map(lambda rest: f"https://{host}/{rest}"))
)


def _listed(host: str) -> bool:
    return host in {"graph.microsoft.com", "api.onedrive.com", "my.microsoftpersonalcontent.com"} or (
        host.endswith(".sharepoint.com") and host != ".sharepoint.com"
    )


@given(urls)
def test_two_other_parsers_agree_on_whatever_is_accepted(url: str) -> None:
    """The host that urllib and yarl would connect to is on the list, at the port and over the scheme we saw."""
    if check(url, RULES) is not None:
        return
    split, parsed = urlsplit(url), URL(url, encoded=True)
    for host, port, scheme in (
        (split.hostname, split.port or 443, split.scheme),
        (parsed.host, parsed.port, parsed.scheme),
    ):
        assert host is not None
        assert _listed(host.lower())
        assert port == 443
        assert scheme == "https"
    assert split.username is None
    assert parsed.user is None


@given(st.text(max_size=80), st.sampled_from([RULES, LITERAL, LOOSE]))
def test_check_never_raises(url: str, rules: MonitorRules) -> None:
    for text in (url, f"https://{url}", f"https://{url}/x"):
        check(text, rules)


@given(st.ip_addresses())
def test_no_address_is_accepted_that_is_not_listed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert check(f"https://{host}/", RULES) in {"host", "malformed"}  # a zone id is malformed
