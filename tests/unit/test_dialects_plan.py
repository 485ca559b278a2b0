"""Where a copy will be, worked out before it is sent: bodies, names, conflict behaviour.

The numbers are those of the project's list of awkward cases.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit.dialect_script import COPY, MINE, Body, planned

PARENT_ID = {"driveId": "b!dest", "id": "P"}


@pytest.mark.parametrize(
    ("line", "body", "items", "named", "unique"),
    [
        # (34) to another drive
        (COPY, {"parentReference": PARENT_ID}, "/v1.0/drives/b!dest/items/", None, True),
        (
            COPY,
            {"parentReference": PARENT_ID, "name": "b.docx"},
            "/v1.0/drives/b!dest/items/",
            "/v1.0/drives/b!dest/items/P:/b.docx",
            True,
        ),
        # the seeds: a path in the call's own drive
        (
            "POST /beta/me/drive/items/A/copy",
            {"parentReference": {"path": "/drive/root:/Documents"}, "name": "Copy of LargeFolder1"},
            "/beta/me/drive/items/",
            "/beta/me/drive/root:/Documents/Copy%20of%20LargeFolder1",
            True,
        ),
        # (35) path only, name only, nothing
        (COPY, {"parentReference": {"path": "/drive/root:/Documents"}}, f"{MINE}/items/", None, True),
        (COPY, {"name": "b"}, f"{MINE}/items/", None, True),
        (COPY, {}, f"{MINE}/items/", None, False),
        (COPY, b"", f"{MINE}/items/", None, False),
        (COPY, {"parentReference": None, "name": None}, f"{MINE}/items/", None, False),
        (COPY, {"parentReference": {}, "name": "b"}, f"{MINE}/items/", None, True),
        (
            "POST /v1.0/me/drive/root:/d/a.txt:/copy",
            {"name": "b"},
            f"{MINE}/items/",
            f"{MINE}/root:/d/b",
            True,
        ),
        ("POST /v1.0/me/drive/root:/a.txt:/copy", {"name": "b"}, f"{MINE}/items/", f"{MINE}/root:/b", True),
        # (36) the result is a folder that is there already
        (
            COPY,
            {"parentReference": PARENT_ID, "childrenOnly": True},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        (
            COPY,
            {"parentReference": PARENT_ID, "childrenOnly": True, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        # (37) renaming
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=rename",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        (
            f"{COPY}?%40microsoft.graph.conflictBehavior=Rename",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=replace",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            "/v1.0/drives/b!dest/items/P:/b",
            False,
        ),
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=fail",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            "/v1.0/drives/b!dest/items/P:/b",
            True,
        ),
        # what nobody has documented is not relied upon
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=other",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=fail&@microsoft.graph.conflictBehavior=rename",
            {"parentReference": PARENT_ID, "name": "b"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        (
            f"{COPY}?@microsoft.graph.conflictBehavior=fail",
            {"parentReference": PARENT_ID, "name": "b", "@microsoft.graph.conflictBehavior": "rename"},
            "/v1.0/drives/b!dest/items/",
            None,
            False,
        ),
        # consumer drives do not know conflictBehavior
        (
            "POST /v1.0/me/drive/items/5F663FB20714AA03!110/copy",
            {"parentReference": {"path": "/drive/root:/d"}, "name": "b"},
            f"{MINE}/items/",
            f"{MINE}/root:/d/b",
            False,
        ),
        (
            "POST /v1.0/me/drive/items/5F663FB20714AA03%21110/copy",
            {"parentReference": {"id": "5F663FB20714AA03!101"}, "name": "b"},
            "/v1.0/drives/5F663FB20714AA03/items/",
            "/v1.0/drives/5F663FB20714AA03/items/5F663FB20714AA03!101:/b",
            False,
        ),
        (
            "POST /v1.0/drives/5f663fb20714aa03/root:/a:/copy",
            {"name": "b"},
            "/v1.0/drives/5f663fb20714aa03/items/",
            "/v1.0/drives/5f663fb20714aa03/root:/b",
            False,
        ),
        # names
        (
            COPY,
            {"parentReference": PARENT_ID, "name": "100% a#b+c.txt"},
            "/v1.0/drives/b!dest/items/",
            "/v1.0/drives/b!dest/items/P:/100%25%20a%23b%2Bc.txt",
            True,
        ),
        (COPY, {"parentReference": PARENT_ID, "name": "a/b"}, "/v1.0/drives/b!dest/items/", None, False),
        (COPY, {"parentReference": PARENT_ID, "name": 7}, "/v1.0/drives/b!dest/items/", None, False),
        # bodies that cannot be understood for certain: still a copy
        (COPY, b"{", None, None, False),
        (COPY, b"[]", None, None, False),
        (COPY, b"null", None, None, False),
        (COPY, b"\xff", None, None, False),
        (COPY, b"\x1f\x8b\x08", None, None, False),
        (COPY, b'{"name":"a","name":"b"}', None, None, False),
        (COPY, b'{"parentReference":{"id":"P","id":"Q"}}', None, None, False),
        (COPY, b'{"name":NaN}', None, None, False),
        (COPY, b'{"Name":"b"}', None, None, False),
        (COPY, b'{"x":' + b"[" * 100_000, None, None, False),
        (COPY, b'\xef\xbb\xbf{"name":"b"}', f"{MINE}/items/", None, True),
    ],
)
def test_where_a_copy_will_be(
    line: str, body: Body, items: str | None, named: str | None, *, unique: bool
) -> None:
    plan = planned(line, body)
    assert (plan.items, plan.named, plan.unique) == (items, named, unique)
    assert plan.prefer == b"respond-async"
    assert plan.dialect == "drive"


@pytest.mark.parametrize(
    ("line", "body", "into"),
    [
        (COPY, {"parentReference": PARENT_ID}, "/v1.0/drives/b!dest/items/P:/"),
        (COPY, {"parentReference": {"path": "/drive/root:/Documents"}}, f"{MINE}/root:/Documents/"),
        (COPY, {"parentReference": PARENT_ID, "name": None}, "/v1.0/drives/b!dest/items/P:/"),
        ("POST /v1.0/me/drive/root:/d/a.txt:/copy", {}, f"{MINE}/root:/d/"),
        # the name is given, or cannot be one
        (COPY, {"parentReference": PARENT_ID, "name": "b.docx"}, None),
        (COPY, {"parentReference": PARENT_ID, "name": "a/b"}, None),
        (COPY, {"parentReference": PARENT_ID, "name": 7}, None),
        # the folder is not certain, or the name is up to Graph, or there is no new item
        (COPY, {}, None),
        (f"{COPY}?@microsoft.graph.conflictBehavior=rename", {"parentReference": PARENT_ID}, None),
        (COPY, {"parentReference": PARENT_ID, "childrenOnly": True}, None),
    ],
)
def test_where_a_copy_that_keeps_its_name_will_be(line: str, body: Body, into: str | None) -> None:
    plan = planned(line, body)
    assert (plan.into, plan.repeatable) == (into, False)
    if into is not None:
        assert (plan.named, plan.unique) == (None, True)


@pytest.mark.parametrize(
    ("line", "body", "repeatable"),
    [
        ("PATCH /v1.0/me/drive/items/A", {"parentReference": {"id": "P"}}, True),
        ("PATCH /v1.0/me/drive/root:/d/a.txt", {"parentReference": {"id": "P"}}, False),
        ("POST /v1.0/me/drive/items/A/assignSensitivityLabel", {"sensitivityLabelId": "L"}, True),
        (COPY, {"name": "b"}, False),
    ],
)
def test_what_changes_nothing_more_the_second_time(line: str, body: Body, *, repeatable: bool) -> None:
    assert planned(line, body).repeatable == repeatable


def test_options_for_the_result_are_kept_raw() -> None:
    query = "$select=id,name&@microsoft.graph.conflictBehavior=fail&%24expand=permissions"
    assert planned(f"{COPY}?{query}").result_query == "$select=id,name&%24expand=permissions"


parents = st.dictionaries(
    st.sampled_from(["driveId", "id", "path", "DriveId", "siteId", "x"]),
    st.none()
    | st.text(max_size=20)
    | st.sampled_from(
        ["/drive/root:/a", "b!x", "5F663FB20714AA03!1", "../x", "/drives/d/root:/../x", "/drive/root:/a?b"]
    )
    | st.integers(),
    max_size=4,
)


@given(parents, st.text(max_size=10))
def test_a_plan_never_leads_out_of_the_api(parent: dict[str, object], name: str) -> None:
    """Whatever the caller's body says, targets stay below the version and hold no dot segments."""
    plan = planned(COPY, json.dumps({"parentReference": parent, "name": name}))
    for target in (plan.items, plan.named, plan.into):
        if target is not None:
            assert target.startswith("/v1.0/")
            assert not {".", ".."} & set(target.split("/"))
            assert not set("?#\\ ") & set(target)
