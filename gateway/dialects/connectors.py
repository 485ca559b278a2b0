"""Connectors: the schema of an external connection.

Sources (Microsoft Graph documentation): "Create schema" (which lists `Prefer: respond-async`, and answers 201 without),
"Create or update schema" (PATCH, always 202), "connectionOperation resource type". An operation does not say where its
result is: it is the connection's schema. The documentation's failed operation has a message and no code.
"""

from typing import Final

from gateway.dialects.workload import Start, Words, Workload

CONNECTORS: Final = Workload(
    name="connectors",
    words=Words(running=("unspecified", "inprogress"), succeeded=("completed",)),
    starts=(
        Start(
            "external/connections/{connection}/schema",
            "Create schema",
            kind="createSchema",
            respond_async=True,
            result=("source:/schema",),
        ),
        Start(
            "external/connections/{connection}/schema",
            "Create or update schema",
            kind="updateSchema",
            method="PATCH",
            repeatable=True,
            result=("source:/schema",),
        ),
    ),
)
