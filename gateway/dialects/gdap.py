"""Granular delegated admin privileges: what a partner's group may do at a customer.

Source (Microsoft Graph documentation): "Update delegatedAdminAccessAssignment". It answers 200 where nothing changes and
202 otherwise, asks for 10 seconds by Retry-After, and requires If-Match, so that a second time changes nothing more.
"""

from typing import Final

from gateway.dialects.workload import Start, Workload

_ASSIGNMENT: Final = (
    "tenantRelationships/delegatedAdminRelationships/{relationship}/accessAssignments/{assignment}"
)

GDAP: Final = Workload(
    name="gdap",
    starts=(
        Start(
            _ASSIGNMENT,
            "Update delegatedAdminAccessAssignment",
            kind="updateAccessAssignment",
            method="PATCH",
            source=_ASSIGNMENT,
            repeatable=True,
            result=("source:",),
        ),
    ),
)
