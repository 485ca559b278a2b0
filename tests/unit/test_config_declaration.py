"""`dialects.custom` and `dialects.presets`: what is read, and what is said where it cannot be."""

import pytest

from gateway.config import Config, ConfigError, parse
from gateway.config.presets import NAMES, preset
from gateway.dialects import KNOWN, Capture, documented, find, spoken
from gateway.model import Call

GOOD = """\
dialects:
  custom:
    - name: reports
      match:    {methods: [POST], path: "^/api/reports$"}
      start:    {status: [202], monitor: ["header:Operation-Location", "header:Location"]}
      monitor:  {credential: false, min_interval: 1s, repeat_headers: []}
      status:   {field: /state, running: [queued, working], succeeded: [done], failed: [broken], unknown: running}
      progress: {field: /percent}
      result:   {from: "field:/resultUrl"}
      error:    {field: /error}
"""
SHORT = 'name: {name}, match: {{path: "{path}"}}, status: {{by_code: true}}'


def read(text: str) -> Config:
    return parse(text, file="f", environ={}, taken=documented.calls())


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


def test_the_shape_of_one() -> None:
    (one,) = read(GOOD).dialects.custom
    assert (one.name, one.match.methods, one.match.path.text) == ("reports", ("POST",), "^/api/reports$")
    assert one.start.monitor == ("header:Operation-Location", "header:Location")
    assert (one.monitor.credential, one.monitor.min_interval) == (False, 1.0)
    assert (one.status.running, one.status.unknown, one.status.missing) == (
        ("queued", "working"),
        "running",
        "trouble",
    )
    assert one.result.source == ("field:/resultUrl",)


def test_by_code_instead_of_a_field() -> None:
    assert read(GOOD.replace("field: /state, running: [queued, working], succeeded: [done], failed: [broken], unknown: running", "by_code: true")).dialects.custom[0].status.by_code  # fmt: skip


def test_what_is_left_out() -> None:
    (one,) = read("dialects: {custom: [{" + SHORT.format(name="a", path="^/a") + "}]}").dialects.custom
    (way,) = one.ways
    assert (one.match.methods, way.start.status, way.result.source) == (("POST",), (202,), ("none",))


def test_another_way_has_what_it_does_not_say() -> None:
    text = "dialects: {custom: [{" + SHORT.format(name="a", path="^/a") + ", otherwise: [{start: {status: [201], monitor: [self]}}]}]}"  # fmt: skip
    first, second = read(text).dialects.custom[0].ways
    assert (second.start.status, second.start.monitor) == ((201,), ("self",))
    assert second.status is first.status


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("name: reports", "name: Reports", "3:13: dialects.custom[0].name: must be a name of 1 to 32 small letters, digits and hyphens that begins with a letter, not 'Reports'; write one such as reports"),
        ("name: reports", "nam: reports", "3:7: dialects.custom[0].nam: unknown key; did you mean dialects.custom[0].name?"),
        ("min_interval", "min_intervall", "6:37: dialects.custom[0].monitor.min_intervall: unknown key; did you mean dialects.custom[0].monitor.min_interval?"),
        ("{from:", "{to:", "9:18: dialects.custom[0].result.to: unknown key; the keys here are from"),
        ("methods: [POST]", "methods: [post]", "4:28: dialects.custom[0].match.methods[0]: must be one of GET, POST, PUT, PATCH, DELETE, not 'post'; write POST"),
        ("methods: [POST]", "methods: []", "4:17: dialects.custom[0].match: has no methods, so that it matches no call; write methods: [POST]"),
        ('"^/api/reports$"', '"/api/reports$"', "4:41: dialects.custom[0].match.path: '/api/reports$' must begin with ^, or it would match in the middle of a path; write ^ before the /"),
        ('"^/api/reports$"', '"^(/api"', "4:41: dialects.custom[0].match.path: '^(/api' has a ( that is not closed; close it, or write \\( for the sign"),
        ('"^/api/reports$"', '"^api"', "4:41: dialects.custom[0].match.path: '^api' matches no path, as a path begins with /; write one such as \"^/api/reports$\""),
        ('"^/api/reports$"', '""', "4:41: dialects.custom[0].match.path: must be a regular expression, not ''; write one such as \"^/api/reports$\""),
        (', path: "^/api/reports$"', "", "4:17: dialects.custom[0].match: path is missing; write path: …"),
        ("[202]", "[202, 404]", "5:32: dialects.custom[0].start.status[1]: must be 200, 201 or 202, not 404; any other reply starts nothing and is passed on"),
        ("[202]", "[202, 202]", "5:26: dialects.custom[0].start.status: has one item twice, as number 1 and 2; keep one of them"),
        ('"header:Location"', '"Location"', "5:72: dialects.custom[0].start.monitor[1]: must be header:…, body:… or self, not 'Location'; write one such as header:Location"),
        ('"header:Location"', '"header:A B"', "5:72: dialects.custom[0].start.monitor[1]: 'header:A B' names no header; write one such as header:Location"),
        ('"header:Location"', '"body:url"', "5:72: dialects.custom[0].start.monitor[1]: 'body:url' holds no JSON pointer; write body: and a pointer, such as body:/job/url"),
        ("repeat_headers: []", "repeat_headers: [Authorization]", "6:72: dialects.custom[0].monitor.repeat_headers[0]: 'Authorization' is not repeated; leave it out; for the credential there is monitor.credential"),
        ("repeat_headers: []", "repeat_headers: [X-Tenant]", "6:17: dialects.custom[0].monitor: has repeat_headers, which go where the credential goes, and credential is false; write credential: true, or leave repeat_headers out"),
        ("field: /state", "field: $.state.code", "7:25: dialects.custom[0].status.field: must be a JSON pointer such as /properties/state, not '$.state.code'; write /state/code"),
        ("field: /state", "field: /st~ate", "7:25: dialects.custom[0].status.field: must be a JSON pointer such as /properties/state, not '/st~ate'; write /st~0ate"),
        ("[queued, working]", "[queued, queued]", "7:42: dialects.custom[0].status.running: has one item twice, as number 1 and 2; keep one of them"),
        ("succeeded: [done]", "succeeded: [done, Queued]", "7:17: dialects.custom[0].status: has 'queued' under running and under succeeded; keep it in one of them"),
        ("succeeded: [done]", "succeeded: []", "7:17: dialects.custom[0].status: has no word for success, so that nothing ever ends; write succeeded: [done]"),
        ("field: /state, ", "", "7:17: dialects.custom[0].status: does not say where the status is; write field: /status, or by_code: true"),
        ("field: /state, ", "by_code: true, ", "7:17: dialects.custom[0].status: has by_code: true, which makes failed mean nothing; keep by_code, or the field and its words"),
        ("unknown: running", "unknown: done", "7:107: dialects.custom[0].status.unknown: must be one of running, failed, not 'done'; write one of these"),
        ("field: /percent", "field: percent", "8:25: dialects.custom[0].progress.field: must be a JSON pointer such as /properties/state, not 'percent'; write /percent"),
        ('"field:/resultUrl"', "resultUrl", "9:24: dialects.custom[0].result.from: must be field:…, header:… or monitor_body, original_url, location, none, not 'resultUrl'; write one such as field:/resultUrl"),
        ('"field:/resultUrl"', "[none, location]", "9:24: dialects.custom[0].result.from: has places after none, which is always there; make it the last one"),
    ],
)  # fmt: skip
def test_a_problem_is_told_with_place_and_fix(before: str, after: str, told: str) -> None:
    assert GOOD.count(before) == 1
    assert told in problems(GOOD.replace(before, after))


def test_all_problems_are_told_at_once() -> None:
    text = GOOD.replace("name: reports", "name: R").replace("[202]", "[404]").replace("/percent", "percent")
    assert [told.split(":")[0] for told in problems(text)] == ["3", "5", "8"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("a", "^/a$"), ("a", "^/b$"), ["2:19: dialects.custom[1].name: a is the name of dialects.custom[0]; choose another one"]),
        (("a", "^/a/[^/]+$"), ("b", "^/a/b"), ["2:29: dialects.custom[1].match: POST /a/b is a's, which is asked first; make the two expressions differ, or the methods"]),
        (("drive", "^/a$"), ("b", "^/b$"), ["1:34: dialects.custom[0].name: drive is the name of a dialect that comes with the gateway; choose another one"]),
        (("generic", "^/a$"), ("b", "^/b$"), ["1:34: dialects.custom[0].name: generic is the name of a dialect of the preset generic; choose another one"]),
        (("a", "^/v1.0/me/drive/.*/copy$"), ("b", "^/b$"), ["1:44: dialects.custom[0].match: POST /v1.0/me/drive/items/x/copy is the dialect drive's, which is asked first; match less, or leave drive out of dialects.enabled"]),
    ],
)  # fmt: skip
def test_two_dialects_must_not_share(
    first: tuple[str, str], second: tuple[str, str], told: list[str]
) -> None:
    one, two = (SHORT.format(name=name, path=path) for name, path in (first, second))
    text = "dialects: {enabled: [drive], custom: [{" + one + "},\n          {" + two + "}]}"
    found = [problem.split(":", 2)[2] for problem in problems(text)]
    assert found == [problem.split(":", 2)[2] for problem in told]


def test_what_is_not_enabled_is_not_shared() -> None:
    text = "dialects: {enabled: [print], custom: [{" + SHORT.format(name="a", path="^/v1.0/.*/copy$") + "}]}"
    assert len(read(text).dialects.custom) == 1


def test_every_documented_call_is_its_dialects() -> None:
    json = ((b"Content-Type", b"application/json"),)
    assert documented.calls().keys() == {dialect.name for dialect in KNOWN}
    for name, calls in documented.calls().items():
        for method, path in calls:
            known = find(KNOWN, Call(method, path, json))
            assert known is not None, path
            assert known.name == name, path


# --- presets ---------------------------------------------------------------------------------------------


def test_every_preset_is_read() -> None:
    assert {name: [one.name for one in preset(name)] for name in NAMES} == {
        "azure": ["azure-put", "azure-delete", "azure-post"],
        "fhir": ["fhir-export", "fhir"],
        "generic": ["generic"],
    }


def test_a_preset_of_another_name() -> None:
    assert problems("dialects: {presets: [azur]}") == [
        "1:22: dialects.presets[0]: must be one of azure, fhir, generic, not 'azur'; did you mean azure?"
    ]


def test_the_order_in_which_they_are_asked() -> None:
    section = read(
        GOOD.replace("dialects:", "dialects:\n  presets: [generic, azure]\n  enabled: [drive]")
    ).dialects
    names = [dialect.name for dialect in spoken(section, "https://h")]
    assert names == ["drive", "reports", "azure-put", "azure-delete", "azure-post", "generic"]


def test_presets_leave_alone_what_is_rarely_an_operation() -> None:
    section = read("dialects: {enabled: [], presets: [azure, fhir, generic]}").dialects
    for dialect in spoken(section, "https://h"):
        for method in ("POST", "PUT", "DELETE"):
            captured = dialect.needs_body(Call(method, "/x", ()))
            assert captured in {Capture.NO, Capture.IF_FITS}, dialect.name
