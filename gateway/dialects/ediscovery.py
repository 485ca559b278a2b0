"""eDiscovery: searches, review sets and holds of a case.

Sources (Microsoft Graph documentation): "ediscoverySearch: estimateStatistics", "ediscoverySearch: exportResult",
"ediscoverySearch: exportReport", "ediscoverySearch: purgeData", "ediscoveryReviewSet: addToReviewSet",
"ediscoveryReviewSet: export", "ediscoveryReviewSetQuery: applyTags", "ediscoveryCustodian: applyHold" and its
neighbours, "caseOperation resource type", and the older ones of the namespace microsoft.graph.ediscovery (beta).

Text and sample of "estimateStatistics" disagree: 202 says the one, 204 the other; so a 204 that names a monitor counts.
Samples of `Location` end in a comma. `partiallySucceeded` is a success with a report to read.
"""

from typing import Final

from gateway.dialects.workload import MONITOR_BODY, Evidence, Start, Words, Workload

_CASE: Final = "security/cases/ediscoveryCases/{case}"
_OLD: Final = "compliance/ediscovery/cases/{case}"
_HOLDS: Final = "applyHold|removeHold|updateIndex"


def _start(
    case: str,
    path: str,
    page: str,
    *,
    page_has_sample: bool = False,
    versions: tuple[str, ...] = ("v1.0", "beta"),
) -> Start:
    return Start(
        f"{case}/{path}",
        page,
        source=case,
        versions=versions,
        result=(MONITOR_BODY,),
        evidence=Evidence.SAMPLE if page_has_sample else Evidence.WORDS,
    )


EDISCOVERY: Final = Workload(
    name="ediscovery",
    accepted=(202, 204),
    words=Words(
        running=("notStarted", "running"),
        succeeded=("succeeded", "partiallySucceeded"),
        failed=("failed", "submissionFailed"),
    ),
    starts=(
        _start(
            _CASE,
            "searches/{search}/estimateStatistics",
            "ediscoverySearch: estimateStatistics",
            page_has_sample=True,
        ),
        _start(
            _CASE,
            "searches/{search}/exportResult|exportReport|purgeData",
            "ediscoverySearch: exportResult, exportReport, purgeData",
        ),
        _start(
            _CASE, "reviewSets/{set}/addToReviewSet|export", "ediscoveryReviewSet: addToReviewSet, export"
        ),
        _start(
            _CASE,
            "reviewSets/{set}/queries/{query}/applyTags|export",
            "ediscoveryReviewSetQuery: applyTags, export",
        ),
        _start(
            _CASE,
            f"custodians|noncustodialDataSources/{_HOLDS}",
            "ediscoveryCustodian, ediscoveryNoncustodialDataSource: applyHold, removeHold, updateIndex",
        ),
        _start(
            _CASE,
            f"custodians|noncustodialDataSources/{{holder}}/{_HOLDS}",
            "ediscoveryCustodian, ediscoveryNoncustodialDataSource: applyHold, removeHold, updateIndex",
        ),
        _start(
            _OLD,
            "sourceCollections/{collection}/estimateStatistics|purgeData",
            "sourceCollection: estimateStatistics, purgeData",
            versions=("beta",),
        ),
        _start(
            _OLD,
            "reviewSets/{set}/addToReviewSet|export",
            "reviewSet: addToReviewSet, export",
            versions=("beta",),
        ),
        _start(
            _OLD,
            "reviewSets/{set}/queries/{query}/applyTags",
            "reviewSetQuery: applyTags",
            versions=("beta",),
        ),
        _start(
            _OLD,
            f"custodians|noncustodialDataSources/{{holder}}/{_HOLDS}",
            "custodian, noncustodialDataSource: applyHold, removeHold, updateIndex",
            versions=("beta",),
        ),
    ),
)
