"""`check-config --explain`: the words it says about exchanges that were recorded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import cli
from gateway.explain import NotAnExchange, read_reply

CONFIG = """\
upstream: {base_url: "https://api.example"}
dialects:
  presets: [azure]
  custom:
    - name: reports
      match:    {path: "^/api/reports$"}
      monitor:  {credential: true, min_interval: 1s}
      status:   {field: /state, running: [working], succeeded: [done], failed: [broken]}
      progress: {field: /percent}
      result:   {from: "field:/url"}
"""
ACCEPTED = "HTTP/1.1 202 Accepted\r\nLocation: /jobs/1?sig=secret\r\nRetry-After: 2\r\n\r\n"
WORKING = 'HTTP/2 200\n\n{"state": "working", "percent": 40}'
DONE = 'HTTP/1.1 200 OK\n\n{"state": "done", "url": "/r/1"}'
START = [
    "call      POST /api/reports",
    "dialect   reports: POST and ^/api/reports$ match",
    "reply     202",
]
FOUND = [
    "  reports: header:Operation-Location: not there",
    "  reports: header:Location: https://api.example/jobs/1?…: taken",
    "monitor   GET https://api.example/jobs/1?…, with the caller's credential (the upstream's own)",
]


def explain(directory: Path, method: str, path: str, *answers: str) -> tuple[int, list[str]]:
    (directory / "gateway.yaml").write_text(CONFIG)
    files = []
    for number, text in enumerate(answers):
        files.append(str(directory / f"{number}.http"))
        Path(files[-1]).write_bytes(text.encode())
    told = CliRunner().invoke(
        cli, ["check-config", str(directory / "gateway.yaml"), "--explain", method, path, *files]
    )
    return told.exit_code, told.output.replace(str(directory), ".").splitlines()


def test_an_exchange_from_its_call_to_its_result(tmp_path: Path) -> None:
    assert explain(tmp_path, "POST", "/api/reports", ACCEPTED, WORKING, DONE) == (
        0,
        [
            *START,
            *FOUND,
            "          asked 2.05 s later",
            "poll 1    200: running (working), 40 %",
            "          asked 1.03 s later",
            "poll 2    200: succeeded (done)",
            "result    GET /r/1, with each caller's own credential",
        ],
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("HTTP/1.1 500 X\n\n", "poll 1    500: tells nothing of the operation: server_error, asked again"),
        ('HTTP/1.1 200 X\n\n{"state": "broken", "error": {"code": "Conflict", "message": "m"}}', "poll 1    200: failed (broken)"),
        ('HTTP/1.1 200 X\nRetry-After: 9\n\n{"state": "odd"}', "poll 1    200: running (odd), Retry-After 9 s"),
    ],
)  # fmt: skip
def test_what_an_answer_means(tmp_path: Path, answer: str, told: str) -> None:
    assert told in explain(tmp_path, "POST", "/api/reports", ACCEPTED, answer)[1]


def test_a_failure_is_told_as_the_caller_gets_it(tmp_path: Path) -> None:
    broken = 'HTTP/1.1 200 X\n\n{"state": "broken", "error": {"code": "Conflict", "message": "m"}}'
    _, lines = explain(tmp_path, "POST", "/api/reports", ACCEPTED, broken)
    assert lines[-1] == 'result    the caller gets 409 with {"code": "Conflict", "message": "m"}'


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://evil.example/x?t=secret", "https://evil.example/x?…: its host is not on monitor.allowed_hosts, and is not the upstream's"),
        ("http://graph.microsoft.com/x", "http://graph.microsoft.com/x: not https, and monitor.allow_http is false"),
        ("https://graph.microsoft.com:444/x", "https://graph.microsoft.com:444/x: its port is not the one that monitor.allowed_hosts names"),
    ],
)  # fmt: skip
def test_a_monitor_that_is_refused_and_by_which_rule(tmp_path: Path, location: str, why: str) -> None:
    reply = f"HTTP/1.1 202 Accepted\nLocation: {location}\n\n"
    code, lines = explain(tmp_path, "POST", "/api/reports", reply)
    assert (code, lines) == (
        0,
        [
            *START,
            "  reports: header:Operation-Location: not there",
            f"  reports: header:Location: {why}",
            "so        it starts nothing that can be followed: passed on untouched, and counted as operation_untracked",
        ],
    )


def test_a_call_that_nobody_knows(tmp_path: Path) -> None:
    _, lines = explain(tmp_path, "GET", "/api/reports", ACCEPTED)
    assert lines[1].startswith("dialect   none of drive, workbook")
    assert lines[2] == "so        passed through untouched, whatever the reply"


def test_a_preset_looks_in_more_than_one_place(tmp_path: Path) -> None:
    created = 'HTTP/1.1 201 Created\n\n{"properties": {"provisioningState": "Creating"}}'
    _, lines = explain(tmp_path, "PUT", "/vm?api-version=1", created, 'HTTP/1.1 200 OK\n\n{"name": "vm"}')
    assert lines[2:] == [
        "reply     201",
        "  azure-put: header:Azure-AsyncOperation: not there",
        "  azure-put: header:Operation-Location: not there",
        "  azure-put: self: https://api.example/vm?…: taken",
        "monitor   GET https://api.example/vm?…, with the caller's credential (the upstream's own)",
        "          asked 0.5 s later",
        "poll 1    200: succeeded",
        "result    GET /vm?…, with each caller's own credential",
    ]


def test_a_reply_whose_own_state_is_final(tmp_path: Path) -> None:
    created = 'HTTP/1.1 201 Created\n\n{"properties": {"provisioningState": "Succeeded"}}'
    _, lines = explain(tmp_path, "PUT", "/vm", created)
    assert "the reply's own state is final" in lines[-2]
    assert lines[-1] == "so        it starts nothing that can be followed: passed on untouched"


def test_a_dialect_of_graphs_own(tmp_path: Path) -> None:
    reply = "HTTP/1.1 202 Accepted\nLocation: https://contoso.sharepoint.com/_api/m?x=secret\n\n"
    done = 'HTTP/1.1 200 OK\n\n{"status": "completed", "resourceId": "01A"}'
    _, lines = explain(tmp_path, "POST", "/v1.0/me/drive/items/1/copy", reply, done)
    assert lines[1] == "dialect   drive"
    assert (
        lines[3]
        == "monitor   GET https://contoso.sharepoint.com/_api/m?…, without any credential (on monitor.allowed_hosts)"
    )
    assert lines[-1] == "result    GET /v1.0/me/drive/items/01A, with each caller's own credential"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--explain: METHOD, PATH and the file of a reply are needed: POST /api/reports reply.http"),
        (
            ["POST", "/a", "missing.http"],
            "--explain: missing.http: cannot be read: No such file or directory",
        ),
        (
            ["POST", "https://h/a", "x"],
            "--explain: 'https://h/a' is no path; write one such as /api/reports?x=1",
        ),
    ],
)
def test_what_cannot_be_explained(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "g.yaml").write_text(CONFIG)
    told = CliRunner().invoke(cli, ["check-config", str(tmp_path / "g.yaml"), "--explain", *words])
    assert (told.exit_code, told.output) == (2, f"{message}\n")


def test_an_exchange_without_explain(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(CONFIG)
    told = CliRunner().invoke(cli, ["check-config", str(tmp_path / "g.yaml"), "POST", "/a", "b"])
    assert told.exit_code == 2
    assert "write --explain" in told.output


def test_answers_as_curl_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "a.http"
    file.write_bytes(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nA: b \r\n\r\nx\r\n\r\ny")
    reply = read_reply(file)
    assert (reply.status, reply.headers, reply.body) == (202, ((b"A", b"b"),), b"x\r\n\r\ny")


@pytest.mark.parametrize("text", ["", "nonsense", "HTTP/1.1 202 Accepted\nno colon\n\n", "HTTP/1.1 99 X\n\n"])
def test_what_is_no_answer(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.http"
    file.write_text(text)
    with pytest.raises(NotAnExchange, match=r"a\.http:[12]: "):
        read_reply(file)
