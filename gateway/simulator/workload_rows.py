"""The table of Graph's other workloads: one row per page of its reference.

Rules: data only. What a row means is explained at `Row`; who reads it is `workloads`.
"""

from dataclasses import dataclass

from gateway.simulator.wire import Headers
from gateway.simulator.workload_bodies import (
    Body,
    bare,
    case,
    connection,
    note,
    personal_data,
    print_job,
    rich,
    simulated,
    team,
    validated,
)

_ID = r"(?:/|\(')([^/']+)(?:'\))?"  # teams/{id} and teams('{id}')


@dataclass(frozen=True)
class Row:
    """One kind of operation. `{1}` is the pattern's first group, `{op}` the operation's id, `{new}` the result's."""

    name: str
    path: str
    monitor: str
    result: str | None  # None: the operation itself is the result
    body: Body
    words: tuple[str, str, str] = ("running", "succeeded", "failed")
    header: str = "Location"
    relative: bool = False  # the header's value is root-relative and has no version
    trailing: str = ""  # what stands behind the header's value
    only_async: bool = False  # without `Prefer: respond-async`, 201 and the result at once
    needs: str | None = None  # a key that the body must have; without it, 201 at once
    method: str = "POST"
    version: str | None = None
    first_body: bytes | None = None  # of the 202; None: the operation
    extra: Headers = ()


_TEAM = ("inProgress", "succeeded", "failed")
ROWS = (
    Row(
        "createSession",
        r"(/.+)/workbook/(?:worksheets[^/]*/)?createSession",
        "{1}/workbook/operations/{op}",
        "{1}/workbook/sessionInfoResource(key='{new}')",
        bare,
        only_async=True,
        first_body=b"{}",
    ),
    Row(
        "addTableRow",
        r"(/.+)/workbook/.*tables[^/]*/[^/]*/?rows(?:/add)?",
        "{1}/workbook/operations/{op}",
        "{1}/workbook/tableRowOperationResult(key='{op}')",
        bare,
        only_async=True,
        first_body=b"",
    ),
    Row(
        "copyNotebook",
        r"(/.+)/onenote/(notebooks|sections|sectionGroups|pages)/[^/]+/copy(?:Notebook|To\w+)",
        "{1}/onenote/operations/{op}",
        "{1}/onenote/{2}/1-{new}",
        note,
        words=("running", "completed", "failed"),
        header="Operation-Location",
    ),
    Row(
        "createTeam",
        r"/teams",
        "/teams('{new}')/operations('{op}')",
        "/teams('{new}')",
        team("createTeam"),
        words=_TEAM,
        relative=True,
        first_body=b"",
        extra=(("Content-Location", "/teams('{new}')"),),
    ),
    Row(
        "cloneTeam",
        rf"/(?:teams{_ID}|groups/([^/]+)/team)/clone",
        "/teams({1}{2})/operations({op})",
        "/teams('{new}')",
        team("cloneTeam"),
        words=_TEAM,
        relative=True,
        first_body=b"",
        extra=(("Content-Type", "text/plain"),),
    ),
    Row(
        "archiveTeam",
        rf"/(?:teams{_ID}|groups/([^/]+)/team)/(?:un)?archive",
        "/teams({1}{2})/operations({op})",
        "/teams('{1}{2}')",
        team("archiveTeam"),
        words=_TEAM,
        relative=True,
        first_body=b"",
        extra=(("Content-Type", "text/plain"),),
    ),
    Row(
        "archiveChannel",
        rf"/(?:teams{_ID}|groups/([^/]+)/team)/channels/([^/]+)/(?:un)?archive",
        "/teams/{1}{2}/operations/{op}",
        "/teams/{1}{2}/channels/{3}",
        team("archiveChannel"),
        words=_TEAM,
        relative=True,
        first_body=b"",
    ),
    Row(
        "createChat",
        r"/chats",
        "/chats('19:{new}@thread.v2')/operations('{op}')",
        "/chats('19:{new}@thread.v2')",
        team("createChat"),
        words=_TEAM,
        relative=True,
        needs="installedApps",
        first_body=b"",
    ),
    Row(
        "contentTypeCopy",
        r"(/sites/.+)/contentTypes/addCopyFromContentTypeHub",
        "{1}/operations/contentTypeCopy,{op}",
        "{1}/contentTypes/0x0101{new}",
        rich,
        words=("running", "succeeded", "failed"),
        first_body=b"",
    ),
    Row(
        "createSite",
        r"/sites",
        "/sites/getOperationStatus(operationId='{op}')",
        "/sites/contoso.sharepoint.com,{new}",
        rich,
        version="beta",
    ),
    Row(
        "createSchema",
        r"(/external/connections/[^/]+)/schema",
        "{1}/operations/{op}",
        "{1}/schema",
        connection,
        words=("inprogress", "completed", "failed"),
        only_async=True,
        first_body=b"",
    ),
    Row(
        "updateSchema",
        r"(/external/connections/[^/]+)/schema",
        "{1}/operations/{op}",
        "{1}/schema",
        connection,
        words=("inprogress", "completed", "failed"),
        method="PATCH",
        first_body=b"",
    ),
    Row(
        "createPrinter",
        r"/print/printers/create",
        "/print/operations/{op}",
        None,
        print_job,
        header="Operation-Location",
        first_body=b"",
        extra=(("Retry-After", "5"),),
    ),
    Row(
        "exportPersonalData",
        r"(/users/[^/]+)/exportPersonalData",
        "/dataPolicyOperations/{op}",
        None,
        personal_data,
        words=("running", "complete", "failed"),
        first_body=b"",
        extra=(("Retry-After", "5"),),
    ),
    Row(
        "ediscovery",
        r"(/security/cases/ediscoveryCases/[^/]+|/compliance/ediscovery/cases/[^/]+)/.+/"
        r"(?:estimateStatistics|export\w*|addToReviewSet|applyTags|purgeData|applyHold|removeHold|updateIndex)",
        "{1}/operations('{op}')",
        None,
        case,
        first_body=b"",
        trailing=",",  # as in the pages' samples
    ),
    Row(
        "updateAccessAssignment",
        r"(/tenantRelationships/delegatedAdminRelationships/[^/]+)/accessAssignments/([^/]+)",
        "{1}/operations/{op}",
        "{1}/accessAssignments/{2}",
        bare,
        method="PATCH",
        first_body=b"{}",
        extra=(("Retry-After", "10"),),
    ),
    Row(
        "createSimulation",
        r"/security/attackSimulation/simulations",
        "/security/attackSimulation/operations/{op}",
        "/security/attackSimulation/simulations/{new}",
        simulated("createSimulation"),
        first_body=b"",
    ),
    Row(
        "updateSimulation",
        r"/security/attackSimulation/simulations/([^/]+)",
        "/security/attackSimulation/operations/{op}",
        "/security/attackSimulation/simulations/{1}",
        simulated("updateSimulation"),
        method="PATCH",
        first_body=b"",
    ),
    Row(
        "validateData",
        r"(/.*industryData)/(?:dataConnectors/[^/]+|inboundFlows/[^/]+/dataConnector)/validate",
        "{1}/operations/{op}",
        None,
        validated,
        first_body=b"",
        extra=(("Retry-After", "5"),),
    ),
)
