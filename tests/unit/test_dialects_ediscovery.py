"""eDiscovery: commas behind addresses, partial successes, two namespaces."""

import pytest

from unit.dialect_script import Script, planned, reply, reported

CASE = "/security/cases/ediscoveryCases/b0073e4e"
ESTIMATE = f"POST /v1.0{CASE}/searches/c61a5860/estimateStatistics"
OPERATION = (
    "https://graph.microsoft.com/v1.0/security/cases/ediscoveryCases('b0073e4e')/operations('82edd40e')"
)


@pytest.mark.parametrize("status", [202, 204])
def test_an_estimate(status: int) -> None:
    """(47) Text and sample of the page disagree about the status, and the sample's Location ends in a comma."""
    (
        Script(ESTIMATE, {"statisticsOptions": "includeRefiners"})
        .graph(status, Location=f"{OPERATION},")
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"id": "82edd40e", "status": "notStarted", "percentProgress": 0})
        .we("running 0 %")
        .monitor(200, {"id": "82edd40e", "status": "running", "percentProgress": 70})
        .we("running 70 %")
        .monitor(200, {"id": "82edd40e", "status": "partiallySucceeded", "percentProgress": 100})
        .we("succeeded: None")
        .plays()
    )


@pytest.mark.parametrize("status", [202, 204])
def test_without_a_monitor_it_is_passed_on(status: int) -> None:
    Script(ESTIMATE).graph(status).we("pass it on").plays()


@pytest.mark.parametrize("word", ["failed", "submissionFailed"])
def test_a_failure_is_told_by_the_result_info(word: str) -> None:
    (
        Script(ESTIMATE)
        .graph(202, Location=OPERATION)
        .we(f"poll {OPERATION} with the credential")
        .monitor(200, {"status": word, "resultInfo": {"code": 403, "message": "No.", "subcode": "x"}})
        .we("failed: 500 403")
        .plays()
    )


def test_the_operation_itself_is_the_result() -> None:
    plan = planned(ESTIMATE)
    assert (plan.inside, plan.source) == (True, f"/v1.0{CASE}")
    assert reported(reply(200, {"status": "succeeded", "indexedItemCount": 7}), ESTIMATE, None).body == ""


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"POST /v1.0{CASE}/searches/s/microsoft.graph.security.exportResult", "exportResult"),
        (f"POST /v1.0{CASE}/searches('s')/purgeData", "purgeData"),
        (f"POST /beta{CASE}/reviewSets/r/addToReviewSet", "addToReviewSet"),
        (f"POST /v1.0{CASE}/reviewSets/r/microsoft.graph.security.export", "export"),
        (f"POST /v1.0{CASE}/reviewSets/r/queries/q/applyTags", "applyTags"),
        (f"POST /v1.0{CASE}/custodians/applyHold", "applyHold"),
        (f"POST /v1.0{CASE}/custodians/c/microsoft.graph.security.updateIndex", "updateIndex"),
        (f"POST /v1.0{CASE}/noncustodialDataSources/n/removeHold", "removeHold"),
        (
            "POST /beta/compliance/ediscovery/cases('1')/sourceCollections('2')/estimateStatistics",
            "estimateStatistics",
        ),
        ("POST /beta/compliance/ediscovery/cases/1/reviewSets/2/export", "export"),
    ],
)
def test_which_calls(line: str, kind: str) -> None:
    plan = planned(line, {})
    assert (plan.dialect, plan.kind) == ("ediscovery", kind)
    assert plan.source.rpartition("/")[0].endswith(("/ediscoveryCases", "/ediscovery/cases"))


@pytest.mark.parametrize(
    "line",
    [
        f"POST /v1.0{CASE}/close",
        f"POST /v1.0{CASE}/reopen",
        f"POST /v1.0{CASE}/searches",
        f"POST /v1.0{CASE}/custodians/c/activate",
        "POST /v1.0/compliance/ediscovery/cases/1/reviewSets/2/export",
    ],
)
def test_other_calls(line: str) -> None:
    Script(line, {}).we("not an operation").plays()
