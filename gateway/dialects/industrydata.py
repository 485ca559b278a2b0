"""Industry data: the validation of uploaded files (beta).

Sources (Microsoft Graph documentation): "industryDataConnector: validate", "fileValidateOperation resource type", which
asks for 5 seconds between two polls. The operation itself says what is wrong with the files (`errors`, `warnings`).
"""

from typing import Final

from gateway.dialects.workload import MONITOR_BODY, Evidence, Start, Workload

INDUSTRYDATA: Final = Workload(
    name="industrydata",
    floor=5.0,
    starts=tuple(
        Start(
            path,
            "industryDataConnector: validate",
            kind="validateData",
            versions=("beta",),
            result=(MONITOR_BODY,),
            evidence=evidence,
        )
        for path, evidence in (
            ("external/industryData/dataConnectors/{connector}/validate", Evidence.WORDS),
            ("external/industryData/inboundFlows/{flow}/dataConnector/validate", Evidence.WORDS),
            ("industryData/dataConnectors/{connector}/validate", Evidence.INFERRED),
        )
    ),
)
