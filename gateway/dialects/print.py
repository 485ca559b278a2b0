"""Universal Print: printers that register.

Sources (Microsoft Graph documentation): "printer: create", "Get printOperation". The status is an object
(`{"state": "running"}`), and the finished operation holds both results, the printer and its certificate.
"""

from typing import Final

from gateway.dialects.workload import MONITOR_BODY, Start, Workload

PRINT: Final = Workload(
    name="print",
    monitor=("Operation-Location", "Location"),
    starts=(
        Start(
            "print/printers/create",
            "printer: create",
            kind="createPrinter",
            source="print/printers",
            result=(MONITOR_BODY,),
        ),
    ),
)
