"""The drive dialect before anything is sent: which calls are ours, and where their results will be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import KNOWN, Capture, MonitorRules, drive, enabled, find
from gateway.dialects.drive import Drive, takes_credential
from gateway.model import Headers, Plan, Reply
from unit.dialect_script import COPY, JSON, MINE, RULES, Body, call, planned

DRIVE = Drive()
PARENT_ID = {"driveId": "b!dest", "id": "P"}

# --- which calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "source", "items"),
    [
        # the documented forms
        ("/v1.0/drives/b!d/items/A/copy", "/v1.0/drives/b!d/items/A", "/v1.0/drives/b!d/items/"),
        ("/v1.0/groups/g/drive/items/A/copy", "/v1.0/groups/g/drive/items/A", "/v1.0/groups/g/drive/items/"),
        ("/v1.0/me/drive/items/A/copy", f"{MINE}/items/A", f"{MINE}/items/"),
        ("/v1.0/sites/s/drive/items/A/copy", "/v1.0/sites/s/drive/items/A", "/v1.0/sites/s/drive/items/"),
        ("/v1.0/users/u/drive/items/A/copy", "/v1.0/users/u/drive/items/A", "/v1.0/users/u/drive/items/"),
        ("/beta/me/drive/items/A/copy", "/beta/me/drive/items/A", "/beta/me/drive/items/"),
        ("/v1.0/me/drive/root:/a/b.txt:/copy", f"{MINE}/root:/a/b.txt", f"{MINE}/items/"),
        # seen
        ("/v1.0/drive/items/root:/x.docx:/copy", "/v1.0/drive/items/root:/x.docx", "/v1.0/drive/items/"),
        ("/v1.0/me/drive/items/A/copy/", f"{MINE}/items/A", f"{MINE}/items/"),
        ("/v1.0/me/drive/items/A/microsoft.graph.copy", f"{MINE}/items/A", f"{MINE}/items/"),
        ("/v1.0/me/drive/items/A/action.copy", f"{MINE}/items/A", f"{MINE}/items/"),
        ("/v1.0/drive/items/A/oneDrive.copy", "/v1.0/drive/items/A", "/v1.0/drive/items/"),
        (
            "/v1.0/sites/s/drives/d/items/A/copy",
            "/v1.0/sites/s/drives/d/items/A",
            "/v1.0/sites/s/drives/d/items/",
        ),
        ("/_api/v2.0/drive/items/A/copy/", "/_api/v2.0/drive/items/A", "/_api/v2.0/drive/items/"),
        (
            "/sites/x/_api/v2.1/drives/d/items/A/copy",
            "/sites/x/_api/v2.1/drives/d/items/A",
            "/sites/x/_api/v2.1/drives/d/items/",
        ),
        # by analogy
        ("/v1.0/drive/root:/a:/copy", "/v1.0/drive/root:/a", "/v1.0/drive/items/"),
        ("/v1.0/drives/d/root:/a:/copy", "/v1.0/drives/d/root:/a", "/v1.0/drives/d/items/"),
        ("/v1.0/drives('b!d')/items('A')/copy", "/v1.0/drives/b!d/items/A", "/v1.0/drives/b!d/items/"),
        (
            "/v1.0/sites/c.sharepoint.com:/sites/x:/drive/root:/a/b:/copy",
            "/v1.0/sites/c.sharepoint.com:/sites/x:/drive/root:/a/b",
            "/v1.0/sites/c.sharepoint.com:/sites/x:/drive/items/",
        ),
        ("/v1.0/me/drive/special/documents/copy", f"{MINE}/special/documents", f"{MINE}/items/"),
        ("/v1.0/me/drive/special/documents:/a:/copy", f"{MINE}/special/documents:/a", f"{MINE}/items/"),
        ("/v1.0/me/drive/items/A:/rel/b:/copy", f"{MINE}/items/A:/rel/b", f"{MINE}/items/"),
        ("/v1.0/me/drive/root/copy", f"{MINE}/root", f"{MINE}/items/"),
        ("/v1.0/me/drive/root:/:/copy", f"{MINE}/root", f"{MINE}/items/"),
        ("/v1.0/shares/u!tok/driveItem/copy", "/v1.0/shares/u!tok/driveItem", None),
        ("/v1.0/shares/u!tok/items/A/copy", "/v1.0/shares/u!tok/items/A", None),
        (
            "/v1.0/sites/s/lists/l/items/1/driveItem/copy",
            "/v1.0/sites/s/lists/l/items/1/driveItem",
            "/v1.0/sites/s/lists/l/drive/items/",
        ),
        (
            "/v1.0/drives/d/list/items/1/driveItem/copy",
            "/v1.0/drives/d/list/items/1/driveItem",
            "/v1.0/drives/d/items/",
        ),
        (
            "/v1.0/storage/fileStorage/containers/c/drive/items/A/copy",
            "/v1.0/storage/fileStorage/containers/c/drive/items/A",
            "/v1.0/storage/fileStorage/containers/c/drive/items/",
        ),
        ("/v1.0/me/drive/root/children/A/copy", f"{MINE}/root/children/A", f"{MINE}/items/"),
        ("/v1.0/me/drive/root:/d:/children/A/copy", f"{MINE}/root:/d:/children/A", f"{MINE}/items/"),
        # (cases 38 and 39) spellings
        (
            "/v1.0/me/drive/root:/a%20b%23c%27(1).txt:/copy",
            f"{MINE}/root:/a%20b%23c'(1).txt",
            f"{MINE}/items/",
        ),
        ("/v1.0/me/drive/root:/copy:/copy", f"{MINE}/root:/copy", f"{MINE}/items/"),
        ("/V1.0/ME/DRIVE/ITEMS/aB/COPY", f"{MINE}/items/aB", f"{MINE}/items/"),
        (
            "/v1.0/users/a@b.c/drive/items/A/copy",
            "/v1.0/users/a@b.c/drive/items/A",
            "/v1.0/users/a@b.c/drive/items/",
        ),
        ("/v1.0/me/drive/items/A/%63opy", f"{MINE}/items/A", f"{MINE}/items/"),
        (
            "/v1.0/drives/d/items/root%3A%2Fa%2Fb.txt%3A/copy",
            "/v1.0/drives/d/items/root:/a/b.txt",
            "/v1.0/drives/d/items/",
        ),
    ],
)
def test_copy_in_all_path_forms(path: str, source: str, items: str | None) -> None:
    one = call(f"POST {path}", b"", headers=())
    assert DRIVE.needs_body(one) is Capture.REQUIRED
    plan = DRIVE.plan(one)
    assert plan is not None
    assert (plan.kind, plan.source, plan.items, plan.prefer) == (drive.COPY, source, items, b"respond-async")
    assert f"/{plan.version}/" == source[: len(plan.version) + 2]


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1.0/me/drive/items/A/copy",
        "PUT /v1.0/me/drive/items/A/copy",
        "DELETE /v1.0/me/drive/items/A/copy",
        "post /v1.0/me/drive/items/A/copy",
        # (case 38) files called copy
        "POST /v1.0/me/drive/root:/copy",
        "POST /v1.0/me/drive/root:/folder/copy",
        "POST /v1.0/me/drive/root:/items/x/copy",
        "POST /v1.0/me/drive/items/A:/copy",
        "POST /v1.0/me/drive/items/A:/folder/copy",
        "POST /v1.0/drives/d/items/root%3A%2Ffolder%2Fcopy",
        "POST /v1.0/me/drive/items/copy",
        # look-alikes
        "POST /v1.0/me/drive/items/A/copyx",
        "POST /v1.0/me/drive/items/A/xcopy",
        "POST /v1.0/me/drive/items/A/copy/x",
        "POST /v1.0/me/drive/items/A/createLink",
        "POST /v1.0/me/drive/items/A/microsoft.graph.restore",
        "POST /v1.0/me/onenote/pages/p/copy",
        "POST /v1.0/sites/s/lists/l/items/1/copy",
        "POST /v1.0/drives/d/list/items/1/copy",
        "POST /me/drive/items/A/copy",
        "POST /v2.0/me/drive/items/A/copy",
        "POST /v1.0/copy",
        "POST /copy",
        "POST /",
        "POST *",
        "POST /v1.0/$batch",
        # (cases 13 to 15) other 202s
        "POST /v1.0/me/sendMail",
        "POST /v1.0/groups/g/assignLicense",
        "POST /v1.0/users/u/authentication/methods/m/resetPassword",
        # case 51
        "GET /v1.0/me/drive/items/A/content",
        # list items, sites, and other things one can PATCH
        "PATCH /v1.0/sites/s/lists/l/items/1",
        "PATCH /v1.0/drives/d/list/items/1",
        "PATCH /v1.0/sites/root",
        "PATCH /v1.0/me",
        "PATCH /v1.0/me/drive",
        "POST /v1.0/external/connections/c/items/i/children",
        "POST /v1.0/sites/root/children",
    ],
)
def test_calls_that_are_not_ours(line: str) -> None:
    one = call(line, {"parentReference": {"id": "P"}, "@microsoft.graph.sourceUrl": "https://x.test/"})
    assert not DRIVE.needs_body(one)
    assert find(KNOWN, one) is None
    if line.partition(" ")[0] in {"POST", "PATCH"}:
        assert DRIVE.plan(one) is None


@pytest.mark.parametrize(
    ("line", "content_type", "expected"),
    [
        (COPY, None, Capture.REQUIRED),
        (COPY, "text/plain", Capture.REQUIRED),
        ("POST /v1.0/me/drive/items/A/assignSensitivityLabel", "application/json", Capture.REQUIRED),
        ("POST /v1.0/me/drive/root:/a.docx:/assignSensitivityLabel", "application/json", Capture.REQUIRED),
        ("PATCH /v1.0/me/drive/items/A", "application/json", Capture.IF_SMALL),
        ("PATCH /v1.0/me/drive/items/A", "Application/JSON ; charset=utf-8", Capture.IF_SMALL),
        ("PATCH /v1.0/me/drive/items/A", "application/merge-patch+json", Capture.IF_SMALL),
        ("PATCH /v1.0/me/drive/root:/a/copy", "application/json", Capture.IF_SMALL),
        ("PATCH /v1.0/shares/u!t/driveItem", "application/json", Capture.IF_SMALL),
        ("PATCH /v1.0/me/drive/items/A", "application/jsonx", Capture.NO),
        ("PATCH /v1.0/me/drive/items/A", "text/plain", Capture.NO),
        ("PATCH /v1.0/me/drive/items/A", None, Capture.NO),
        ("POST /v1.0/me/drive/items/P/children", "application/json", Capture.IF_SMALL),
        ("POST /v1.0/me/drive/root/children", "application/json", Capture.IF_SMALL),
        ("POST /v1.0/me/drive/root:/d:/children", "application/json", Capture.IF_SMALL),
        ("POST /v1.0/me/drive/items/P/children", "multipart/related; boundary=x", Capture.NO),
    ],
)
def test_how_much_of_a_body_is_needed(line: str, content_type: str | None, expected: Capture) -> None:
    headers: Headers = () if content_type is None else ((b"CONTENT-TYPE", content_type.encode()),)
    assert DRIVE.needs_body(call(line, None, headers)) is expected


# --- moves, labels, uploads ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "body", "named", "items"),
    [
        (
            "PATCH /v1.0/me/drive/items/A",
            {"parentReference": {"id": "P"}},
            f"{MINE}/items/A",
            f"{MINE}/items/",
        ),
        (
            "PATCH /v1.0/me/drive/items/A",
            {"parentReference": PARENT_ID, "name": "b"},
            f"{MINE}/items/A",
            "/v1.0/drives/b!dest/items/",
        ),
        # by path, it is not there any more afterwards
        (
            "PATCH /v1.0/me/drive/root:/d/a.txt",
            {"parentReference": {"path": "/drive/root:/e"}},
            f"{MINE}/root:/e/a.txt",
            f"{MINE}/items/",
        ),
        (
            "PATCH /v1.0/me/drive/root:/d/a.txt:",
            {"parentReference": {"path": "/drive/root:/e"}, "name": "b c"},
            f"{MINE}/root:/e/b%20c",
            f"{MINE}/items/",
        ),
        (
            "PATCH /v1.0/me/drive/root:/d/a.txt",
            {"parentReference": {"id": "P"}, "@microsoft.graph.conflictBehavior": "rename"},
            None,
            f"{MINE}/items/",
        ),
    ],
)
def test_a_move_results_in_the_same_item(line: str, body: Body, named: str | None, items: str) -> None:
    plan = planned(line, body)
    assert (plan.kind, plan.named, plan.items, plan.unique, plan.prefer) == (
        drive.MOVE,
        named,
        items,
        False,
        None,
    )


@pytest.mark.parametrize(
    "body", [{"name": "b"}, {"parentReference": None}, {"parentReference": {}}, b"", b"{", "[1]"]
)
def test_a_patch_that_moves_nothing_is_not_ours(body: Body) -> None:
    assert DRIVE.plan(call("PATCH /v1.0/me/drive/items/A", body)) is None


def test_a_label_results_in_the_same_item() -> None:
    plan = planned("POST /v1.0/drives/d/root:/a.docx:/microsoft.graph.assignSensitivityLabel", {"x": 1})
    source = "/v1.0/drives/d/root:/a.docx"
    assert plan == Plan(
        "drive", drive.LABEL, "v1.0", source, "/v1.0/drives/d/items/", named=source, repeatable=True
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (
            {"@microsoft.graph.sourceUrl": "https://x.test/a", "name": "a b", "file": {}},
            f"{MINE}/items/P:/a%20b",
        ),
        ({"@content.sourceUrl": "https://x.test/a", "name": "a"}, f"{MINE}/items/P:/a"),
        ({"@content.sourceUrl": "https://x.test/a"}, None),
        ({"@content.sourceUrl": "https://x.test/a", "name": "a", "@name.conflictBehavior": "rename"}, None),
    ],
)
def test_an_upload_from_a_url(body: Body, named: str | None) -> None:
    plan = planned("POST /v1.0/me/drive/items/P/children", body)
    assert plan == Plan(
        "drive",
        drive.UPLOAD,
        "v1.0",
        f"{MINE}/items/P",
        f"{MINE}/items/",
        named=named,
        prefer=b"respond-async",
    )


@pytest.mark.parametrize("body", [{"name": "d", "folder": {}}, {"@content.sourceUrl": ""}, b"", b"{"])
def test_children_that_are_just_created_are_not_ours(body: Body) -> None:
    assert DRIVE.plan(call("POST /v1.0/me/drive/items/P/children", body)) is None


# --- receipts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin", "expected"),
    [
        ("https://graph.microsoft.com/v1.0/me/drive/operations/1", "https://graph.microsoft.com", True),
        ("https://graph.microsoft.com/beta/drives('d')/operations('1')", "https://graph.microsoft.com", True),
        ("https://graph.microsoft.com/v1.0/monitor/1", "https://graph.microsoft.com", False),
        ("https://graph.microsoft.com/v1.0/operations/1?tempAuth=eyJ", "https://graph.microsoft.com", False),
        ("https://graph.microsoft.com/_api/v2.1/operations/1", "https://graph.microsoft.com", False),
        ("https://graph.microsoft.com/monitor/1", "https://graph.microsoft.com", False),
        ("https://graph.microsoft.com/v1.0/operations/1", "https://graph.microsoft.us", False),
        ("https://api.onedrive.com/v1.0/monitor/1", "https://api.onedrive.com", False),
        (
            "https://contoso.sharepoint.com/_api/v2.1/drive/operations/1",
            "https://contoso.sharepoint.com",
            False,
        ),
        ("http://127.0.0.1:5000/v1.0/operations/1", "http://127.0.0.1:5000", True),
        ("http://127.0.0.1:5000/monitor/1", "http://127.0.0.1:5000", False),
    ],
)
def test_only_a_monitor_that_graph_hosts_takes_the_credential(
    url: str, origin: str, *, expected: bool
) -> None:
    assert takes_credential(url, MonitorRules(origin)) is expected


@given(
    st.integers(100, 599),
    st.lists(st.tuples(st.sampled_from([b"Location", b"operation-location"]), st.binary())),
)
def test_receipts_survive_any_header(status: int, lines: list[tuple[bytes, bytes]]) -> None:
    one = call(COPY, {"name": "b"})
    receipt = DRIVE.receipt(planned(COPY), one, Reply(status, tuple(lines)), RULES)
    assert status == 202 or receipt is None


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_plans_survive_any_body(body: bytes | str) -> None:
    for line in (COPY, "PATCH /v1.0/me/drive/items/A", "POST /v1.0/me/drive/items/A/children"):
        DRIVE.plan(call(line, body))


# --- the list --------------------------------------------------------------------------------------------


def test_dialects_are_enabled_by_name() -> None:
    assert [dialect.name for dialect in enabled(["drive"])] == ["drive"]
    assert enabled([]) == ()
    with pytest.raises(ValueError, match="no such dialect: nonsense"):
        enabled(["nonsense", "drive"])


def test_the_first_dialect_that_knows_a_call_has_it() -> None:
    assert find(enabled(["drive"]), call(COPY)) is KNOWN[0]
    assert find((), call(COPY)) is None
    assert KNOWN[0].floor == 0


def test_headers_alone_decide_before_the_body_is_read() -> None:
    assert DRIVE.needs_body(call("PATCH /v1.0/me/drive/items/A", None, JSON)) is Capture.IF_SMALL
