"""Privacy: the export of a user's personal data.

Sources (Microsoft Graph documentation): "user: exportPersonalData", "dataPolicyOperation resource type". Its word for
success is `complete`, its progress is text, and its monitors are `/dataPolicyOperations/{id}`. The operation says where
the data is (`storageLocation`), which may be a signed URL: one more reason to keep no part of it.
"""

from typing import Final

from gateway.dialects.workload import MONITOR_BODY, Start, Words, Workload

PRIVACY: Final = Workload(
    name="privacy",
    words=Words(succeeded=("complete",)),
    monitor_steps=("dataPolicyOperations", "operations"),
    starts=(Start("users/{user}/exportPersonalData", "user: exportPersonalData", result=(MONITOR_BODY,)),),
)
