"""Cookies of operations: to the origin that set them, for the one operation, and no longer than they say."""

import asyncio

import pytest
from fakes.clock import FakeClock
from fakes.records import START, running
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.cookies import LARGEST, LONGEST, MOST, Cookies
from gateway.model import State

HERE = "https://contoso.sharepoint.com/_api/v2.0/monitor/1"
DATES = {
    "Wed, 09 Jun 2100 10:18:14 GMT": True,
    "Wednesday, 09-Jun-2100 10:18:14 GMT": True,
    "Thu, 01 Jan 1970 00:00:00 GMT": False,
    "yesterday": True,  # what cannot be read counts as absent
    "99999999999999999999": True,
}


class Jar(Cookies):
    """With a clock of its own, and short words."""

    def __init__(self, size: int = 9, keep: float = 1000.0) -> None:
        self.clock = FakeClock(START)
        super().__init__(size=size, keep=keep, now=self.clock.now, monotonic=self.clock.monotonic)

    def set(self, *lines: str, url: str = HERE, operation: str = "a") -> None:
        self.heard(operation, url, tuple((b"Set-Cookie", line.encode("latin-1")) for line in lines))

    def sent(self, url: str = HERE, operation: str = "a") -> str | None:
        lines = self.line(operation, url)
        assert len(lines) <= 1
        assert all(name == b"Cookie" for name, _ in lines)
        return lines[0][1].decode("latin-1") if lines else None


def test_what_was_set_goes_back_byte_for_byte() -> None:
    jar = Jar()
    jar.set('FedAuth=77u/PD94="q" x==; path=/; HttpOnly', "empty=; Path=/")
    assert jar.sent() == 'FedAuth=77u/PD94="q" x==; empty='


@pytest.mark.parametrize(
    "url",
    [
        "http://contoso.sharepoint.com/_api/v2.0/monitor/1",
        "https://contoso.sharepoint.com:444/_api/v2.0/monitor/1",
        "https://other.sharepoint.com/_api/v2.0/monitor/1",
        "https://sharepoint.com/_api/v2.0/monitor/1",
        "https://a.contoso.sharepoint.com/_api/v2.0/monitor/1",
        "https://contoso.sharepoint.com.evil.test/_api/v2.0/monitor/1",
        "https://u@contoso.sharepoint.com/_api/v2.0/monitor/1",
        "nonsense",
    ],
)
@pytest.mark.parametrize("domain", ["", "; Domain=sharepoint.com", "; Domain=.contoso.sharepoint.com"])
def test_it_goes_to_the_origin_that_set_it_and_nowhere_else(url: str, domain: str) -> None:
    jar = Jar()
    jar.set(f"a=b; Path=/{domain}")
    assert jar.sent(url) is None
    assert jar.sent("https://CONTOSO.sharepoint.com:443/") == "a=b"


def test_it_goes_to_no_other_operation() -> None:
    jar = Jar()
    jar.set("a=b")
    assert jar.sent(operation="b") is None


@pytest.mark.parametrize(
    "domain", ["evil.test", "graph.microsoft.com", "x.contoso.sharepoint.com", "int.com"]
)
def test_one_for_somebody_else_is_not_kept(domain: str) -> None:
    jar = Jar()
    jar.set(f"a=b; Domain={domain}")
    assert (jar.sent(), len(jar)) == (None, 0)


def test_secure_cookies_are_taken_over_tls_only() -> None:
    jar = Jar()
    plain = "http://127.0.0.1:5000/monitor/1"
    jar.set("a=b; Secure", url=plain)
    assert jar.sent(plain) is None
    jar.set("a=b; secure")
    assert jar.sent() == "a=b"


@pytest.mark.parametrize(
    ("path", "asked", "goes"),
    [
        ("/", "/x", True),
        ("/_api", "/_api", True),
        ("/_api", "/_api/x", True),
        ("/_api/", "/_api/x", True),
        ("/_api", "/_apix", False),
        ("/_api", "/", False),
        ("/_api/", "/_api", False),
        ("/_api", "/_api?x=/y", True),
        ("", "/_api/v2.0/monitor/2", True),  # beside the one that set it
        ("relative", "/_api/v2.0/monitor", True),
        ("", "/_api/v2.0", False),
    ],
)
def test_paths(path: str, asked: str, *, goes: bool) -> None:
    jar = Jar()
    jar.set(f"a=b; Path={path}")
    assert jar.sent(f"https://contoso.sharepoint.com{asked}") == ("a=b" if goes else None)


def test_longer_paths_first() -> None:
    jar = Jar()
    jar.set("a=1; Path=/", "b=2; Path=/_api/v2.0", "c=3; Path=/_api")
    assert jar.sent() == "b=2; c=3; a=1"


def test_the_last_word_counts() -> None:
    jar = Jar()
    jar.set("a=1; Path=/", "a=2; Path=/", "a=3; Path=/_api")
    assert jar.sent() == "a=3; a=2"
    jar.set("a=; Path=/; Max-Age=0")
    assert jar.sent() == "a=3"


def test_max_age_outranks_expires() -> None:
    jar = Jar()
    jar.set("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "c=d; Max-Age=junk", "e=f; max-age=-1")
    assert jar.sent() == "a=b; c=d"
    asyncio.run(jar.clock.advance(61.0))
    assert jar.sent() == "c=d"


@pytest.mark.parametrize("date", DATES)
def test_expires(date: str) -> None:
    jar = Jar()
    jar.set(f"a=b; Expires={date}")
    assert (jar.sent() is not None) == DATES[date]


@pytest.mark.parametrize(
    "line", ["", "a", "=b", " = ", "a\x00=b", "a=b\x01", "a=b\xff", "a=b,c", "a,b=c", f"a={'x' * LONGEST}"]
)
def test_what_could_not_be_sent_is_not_kept(line: str) -> None:
    jar = Jar()
    jar.set(line)
    assert (jar.sent(), len(jar)) == (None, 0)


def test_bounds() -> None:
    jar = Jar(size=3)
    jar.set(*(f"c{number}=x" for number in range(3 * MOST)))
    assert (jar.sent() or "").split("; ") == [f"c{number}=x" for number in range(2 * MOST, 3 * MOST)]
    jar.set(*(f"d{number}={'x' * 2000}" for number in range(9)), f"e=x; Path=/{'y' * 1000}")
    kept = sum(len(one.name) + len(one.value) + len(one.path) for one in jar._jars["a"])
    assert LARGEST - 2100 < kept <= LARGEST
    jar.set(f"f=x; Path=/{'y' * LARGEST}")
    assert (jar.sent(), len(jar)) == (None, 1)
    for number in range(10):
        jar.set("a=b", operation=str(number))
    assert len(jar) == 3


def test_an_operation_that_came_to_nothing_is_forgotten() -> None:
    for state in State:
        jar = Jar()
        operation = running(state=state)
        jar.set("a=b", operation=operation.id)
        jar.moved(operation)
        over = state in {State.REJECTED, State.FAILED, State.LOST, State.UNKNOWN}
        assert (jar.sent(operation=operation.id) is None) == over, state


def test_nothing_is_kept_for_ever() -> None:
    jar = Jar(keep=100.0)
    jar.set("a=b", operation="a")
    asyncio.run(jar.clock.advance(101.0))
    assert (jar.sent(), len(jar)) == (None, 0)
    jar.set("a=b")
    jar.forget()
    assert jar.sent() is None


def test_a_value_is_not_shown() -> None:
    jar = Jar()
    jar.set("name=C4N4RY")
    assert "C4N4RY" not in repr(list(jar._jars.values()))


@given(st.binary(max_size=60), st.sampled_from([b"a=b; path=", b"a=b; expires=", b"a=b; max-age=", b""]))
def test_no_line_is_too_strange(rest: bytes, start: bytes) -> None:
    jar = Jar()
    jar.heard("a", HERE, ((b"set-cookie", start + rest),))
    sent = jar.sent()
    assert sent is None or (sent.isprintable() and "\n" not in sent)
