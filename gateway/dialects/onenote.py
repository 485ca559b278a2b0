"""OneNote: copies of notebooks, sections and pages.

Sources (Microsoft Graph documentation): "notebook: copyNotebook", "section: copyToNotebook", "section:
copyToSectionGroup", "page: copyToSection", "Get onenoteOperation". The 202 carries an operation as well, with a status
that the enumeration lacks (microsoftgraph/microsoft-graph-docs#21233); it is not read, the monitor is.
"""

from typing import Final

from gateway.dialects.workload import Evidence, Start, Words, Workload

ONENOTE: Final = Workload(
    name="onenote",
    monitor=("Operation-Location", "Location"),
    words=Words(succeeded=("completed",)),
    starts=(
        Start(
            "{owner...}/onenote/notebooks/{notebook}/copyNotebook",
            "notebook: copyNotebook",
            evidence=Evidence.SEEN,
        ),
        Start("{owner...}/onenote/sections/{section}/copyToNotebook", "section: copyToNotebook"),
        Start("{owner...}/onenote/sections/{section}/copyToSectionGroup", "section: copyToSectionGroup"),
        Start("{owner...}/onenote/pages/{page}/copyToSection", "page: copyToSection"),
    ),
)
