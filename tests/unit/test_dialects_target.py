"""Targets: one spelling for all spellings of one target, and none for two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.target import canonical_target, result_query, segment, steps, with_query

COPY = "/v1.0/me/drive/items/01ABC/copy"


@pytest.mark.parametrize(
    "spelling",
    [
        COPY,
        "/v1.0/me/drive/items/01ABC/%63opy",
        "/v1.0/me/drive/items/01ABC/%63%6F%70%79",
        "/v1.0/me/drive/items/01ABC/%63%6f%70%79",
        "/v1.0/me/drive/items/01ABC/copy/",
        "/v1.0/me/drive/items/01ABC/copy//",
        "//v1.0//me/drive/items/01ABC//copy",
        "/v1.0/me/drive/items/01ABC/COPY",
        "/v1.0/me/drive/items/01ABC/Copy/",
        "/v1.0/me/drive/items/01ABC/microsoft.graph.copy",
        "/v1.0/me/drive/items/01ABC/Microsoft.Graph.Copy",
        "/v1.0/me/drive/items/01ABC/action.copy",
        "/v1.0/me/drive/items/01ABC/oneDrive.copy",
        "/v1.0/me/drive/items/01ABC/copy()",
        "/v1.0/me/drive/items/01ABC/microsoft.graph.copy()",
        "/V1.0/ME/Drive/ITEMS/01ABC/copy",
        "/v1.0/me/drive/items('01ABC')/copy",
        "/v1.0/me/drive/items(%2701ABC%27)/copy",
        "/v1.0/me/dri%76e/items/%30%31ABC/copy",
        "/v1%2E0/me/drive/items/01ABC/copy",
        "/v1.0/me/drive/items/01ABC/copy?",
        "/v1.0/me/drive/items/01ABC/copy?&&",
    ],
)
def test_spellings_of_one_copy(spelling: str) -> None:
    assert canonical_target(spelling) == COPY


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # escapes that both stand for what may stand there raw
        ("/v1.0/me/drive/items/5F66!110/copy", "/v1.0/me/drive/items/5F66%21110/copy"),
        ("/v1.0/users/a@b.c/drive", "/v1.0/users/a%40b.c/drive"),
        ("/v1.0/me/drive/root:/a%2fb", "/v1.0/me/drive/root:/a%2Fb"),
        ("/v1.0/me/drive/root:/Jo's%20(1)", "/v1.0/me/drive/root%3A/Jo%27s%20%281%29"),
        ("/v1.0/drives/D/root:/a b", "/v1.0/drives/D/root:/a%20b"),
        ("/v1.0/drives/D/root:/ä".encode().decode("utf-8", "surrogateescape"), "/v1.0/drives/D/root:/%C3%A4"),
        # a path in place of an id, as generated SDKs encode it
        ("/v1.0/drives/D/items/root:/a/b.txt:/copy", "/v1.0/drives/D/items/root%3A%2Fa%2Fb.txt%3A/copy"),
        # queries
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=rename",
            f"{COPY}?%40microsoft.graph.conflictBehavior=rename",
        ),
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=rename",
            f"{COPY}?%40Microsoft.Graph.ConflictBehavior=Rename",
        ),
        (f"{COPY}?$select=id,name", f"{COPY}?%24select=id%2Cname"),
    ],
)
def test_two_spellings_of_one_target(one: str, other: str) -> None:
    assert canonical_target(one) == canonical_target(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # drive ids are base64: case tells them apart
        ("/v1.0/drives/b!AbC/items/1/copy", "/v1.0/drives/b!aBc/items/1/copy"),
        # names of files, which look like words of the API
        ("/v1.0/me/drive/root:/copy", "/v1.0/me/drive/root:/action.copy"),
        ("/v1.0/me/drive/root:/a/copy", "/v1.0/me/drive/root:/a:/copy"),
        ("/v1.0/me/drive/items/1:/copy", "/v1.0/me/drive/items/1/copy"),
        # what is escaped because it means something else raw
        ("/v1.0/me/drive/root:/a%2Fb", "/v1.0/me/drive/root:/a/b"),
        ("/v1.0/me/drive/root:/a%3Fb", "/v1.0/me/drive/root:/a?b"),
        ("/v1.0/me/drive/root:/100%2525", "/v1.0/me/drive/root:/100%25"),
        ("/x?a=1%262", "/x?a=1&2"),
        ("/x?a=1%2B2", "/x?a=1+2"),
        # order and presence of parameters, versions
        ("/x?a=1&b=2", "/x?b=2&a=1"),
        (COPY, f"{COPY}?$select=id"),
        (COPY, COPY.replace("v1.0", "beta")),
    ],
)
def test_two_targets_stay_two(one: str, other: str) -> None:
    assert canonical_target(one) != canonical_target(other)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ()),
        ("", ()),
        ("*", ("*",)),
        ("//evil//copy", ("evil", "copy")),
        ("/v1.0/me/drive/root:/a/b:/copy", ("v1.0", "me", "drive", "root:/a/b:", "copy")),
        ("/v1.0/me/drive/root:/a/copy", ("v1.0", "me", "drive", "root:/a/copy")),
        ("/v1.0/me/drive/root:/copy:/copy", ("v1.0", "me", "drive", "root:/copy:", "copy")),
        (
            "/v1.0/sites/contoso.sharepoint.com:/sites/x:/drive/ROOT:/a:/copy",
            ("v1.0", "sites", "contoso.sharepoint.com:/sites/x:", "drive", "root:/a:", "copy"),
        ),
        ("/v1.0/shares/u!aHR0/driveitem/copy", ("v1.0", "shares", "u!aHR0", "driveItem", "copy")),
        ("/v1.0/drives('b!x')/items('1')/copy", ("v1.0", "drives", "b!x", "items", "1", "copy")),
        ("/v1.0/teams('x')/operations('y')", ("v1.0", "teams", "x", "operations", "y")),
    ],
)
def test_steps(path: str, expected: tuple[str, ...]) -> None:
    assert steps(path) == expected


def test_a_stray_percent_sign_does_not_become_an_escape() -> None:
    assert canonical_target("/%%36%33opy") == "/%2563opy"
    assert canonical_target("/%2563opy") == "/%2563opy"


PIECES = (
    "/ // : % %2 %25 %63opy %2F %3A %27 ( ) ' () copy COPY microsoft.graph. action. items root drives v1.0 "
    "('x') ('copy') ? & = @ %40 .. . a é \udcff x:/y + ; # $select \ud800"
)
pieces = st.sampled_from(PIECES.split(" "))


@given(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=40))
def test_canonical_spelling_is_stable(target: str) -> None:
    once = canonical_target(target)
    assert canonical_target(once) == once
    assert once.isascii()


@given(st.lists(pieces.filter(lambda piece: "%" not in piece), max_size=10).map("".join), st.data())
def test_a_sender_may_escape_any_letter(path: str, data: st.DataObject) -> None:
    """Escaping unreserved characters changes no target (RFC 3986 section 6.2.2.2)."""
    raw = "/v1.0/me/drive/" + path.replace("?", "")
    escaped = "".join(
        f"%{ord(char):02x}" if char.isascii() and char.isalnum() and data.draw(st.booleans()) else char
        for char in raw
    )
    assert canonical_target(escaped) == canonical_target(raw)


@pytest.mark.parametrize(
    ("target", "query", "expected"),
    [
        ("/a", "", "/a"),
        ("/a", "$select=id", "/a?$select=id"),
        ("/a?b=1", "$select=id", "/a?b=1&$select=id"),
    ],
)
def test_with_query(target: str, query: str, expected: str) -> None:
    assert with_query(target, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("@microsoft.graph.conflictBehavior=fail", ""),
        (
            "$select=id,name&x=1&%24expand=children($select=id)",
            "$select=id,name&%24expand=children($select=id)",
        ),
        ("$Select=id", "$Select=id"),
        ("$filter=a&$top=1", ""),
    ],
)
def test_options_meant_for_the_result_too_are_kept_raw(query: str, expected: str) -> None:
    assert result_query(query) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("b.docx", "b.docx"),
        ("a b#c%.txt", "a%20b%23c%25.txt"),
        ("100%25", "100%2525"),
        ("Jo's (1)+[x]&y", "Jo's%20(1)%2B%5Bx%5D%26y"),
        ("ä", "%C3%A4"),
        ("a/b", None),
        ("a:b", None),
        ("a\\b", None),
        ("a?b", None),
        ("a\tb", None),
        ("", None),
        (".", None),
        ("..", None),
        (" a", None),
        ("a ", None),
        ("\ud800", None),
    ],
)
def test_a_name_is_one_segment_or_none(name: str, expected: str | None) -> None:
    assert segment(name) == expected


@given(st.text(max_size=20))
def test_a_name_never_leaves_its_segment(name: str) -> None:
    one = segment(name)
    assert one is None or not set("/?#\\: ") & set(one)
