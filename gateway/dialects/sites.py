"""SharePoint: content types that come from the hub, and new sites.

Sources (Microsoft Graph documentation): "contentType: addCopyFromContentTypeHub", "Get richLongRunningOperation",
"Create site" and "site: getOperationStatus" (both beta). A content type that is there at once is answered 200; one
that is not may take 70 minutes.
"""

from typing import Final

from gateway.dialects.workload import Evidence, Start, Workload

SITES: Final = Workload(
    name="sites",
    monitor_steps=("operations", "getOperationStatus"),
    starts=(
        Start(
            "sites/{site...}/contentTypes/addCopyFromContentTypeHub",
            "contentType: addCopyFromContentTypeHub",
            kind="contentTypeCopy",
            source="sites/{site...}",
        ),
        Start(
            "groups/{group}/sites/{site...}/contentTypes/addCopyFromContentTypeHub",
            "contentType: addCopyFromContentTypeHub",
            kind="contentTypeCopy",
            source="groups/{group}/sites/{site...}",
            evidence=Evidence.INFERRED,
        ),
        Start("sites", "Create site", kind="createSite", versions=("beta",), source="sites"),
    ),
)
