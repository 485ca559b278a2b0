"""Attack simulation training: simulations that are created or updated.

Sources (Microsoft Graph documentation): "Create simulation", "Update simulation" (both: 202, and a tracking header named
`location`), "attackSimulationOperation resource type". No page shows a reply with that header.
"""

from typing import Final

from gateway.dialects.workload import Evidence, Start, Workload

_SIMULATIONS: Final = "security/attackSimulation/simulations"

ATTACKSIMULATION: Final = Workload(
    name="attacksimulation",
    starts=(
        Start(
            _SIMULATIONS,
            "Create simulation",
            kind="createSimulation",
            source=_SIMULATIONS,
            evidence=Evidence.WORDS,
        ),
        Start(
            f"{_SIMULATIONS}/{{simulation}}",
            "Update simulation",
            kind="updateSimulation",
            method="PATCH",
            source=f"{_SIMULATIONS}/{{simulation}}",
            result=("field:/resourceLocation", "source:"),
            evidence=Evidence.WORDS,
        ),
    ),
)
