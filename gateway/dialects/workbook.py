"""Excel: sessions and table rows that take long.

Sources (Microsoft Graph documentation): "workbook: createSession", "Create TableRow", "workbookTableRow: add",
"workbookTableRowOperationResult", "Best practices for working with the Excel API in Microsoft Graph".

A call that is quick is answered 201 even where `respond-async` was asked for, and that is passed on. The session id
that a call came with goes along on the polls and on the final GET; it is worth something only together with a token,
but to those who have one it shows changes that nobody has saved: it is kept in memory, as the token is.
"""

from typing import Final

from gateway.dialects.workload import Evidence, Start, Workload

_SHEET: Final = "{item...}/workbook/worksheets/{sheet}"

WORKBOOK: Final = Workload(
    name="workbook",
    repeats=frozenset({b"workbook-session-id"}),
    starts=(
        Start(
            "{item...}/workbook/createSession",
            "workbook: createSession",
            source="{item...}",
            respond_async=True,
            repeatable=True,  # one session too many expires by itself
        ),
        Start(
            f"{_SHEET}/createSession",
            "workbook: createSession",
            source="{item...}",
            respond_async=True,
            repeatable=True,
        ),
        *(
            Start(path, page, kind="addTableRow", source="{item...}", respond_async=True, evidence=evidence)
            for path, page, evidence in (
                ("{item...}/workbook/tables/{table}/rows", "Create TableRow", Evidence.SAMPLE),
                ("{item...}/workbook/tables/{table}/rows/add", "workbookTableRow: add", Evidence.INFERRED),
                (f"{_SHEET}/tables/{{table}}/rows", "Create TableRow", Evidence.INFERRED),
                (f"{_SHEET}/tables/{{table}}/rows/add", "workbookTableRow: add", Evidence.INFERRED),
            )
        ),
    ),
)
