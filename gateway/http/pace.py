"""How long a caller may take over a body that is streamed: for the next bytes of it, and for all so far.

Rules: only the time counts in which we waited for the caller; while the upstream takes nothing, nobody asks the
caller for more. The first `limits.body_read` seconds of waiting are free, so that a short body is only ever bound by
its pauses; after them the caller must have sent `limits.min_upload_rate` bytes for each second of waiting.

What this module must not do: wait, or read the time.
"""

from gateway.config import Limits


class Pace:
    """The pace of one body."""

    def __init__(self, limits: Limits) -> None:
        self._pause = limits.body_read
        self._rate = limits.min_upload_rate
        self._waited = 0.0
        self._bytes = 0

    def came(self, size: int, waited: float) -> None:
        """So many bytes came, after so many seconds of waiting."""
        self._bytes += size
        self._waited += waited

    @property
    def patience(self) -> float:
        """How many seconds the next bytes may take; none are left where it is not above 0."""
        return min(self._pause, self._left)

    @property
    def lateness(self) -> str:
        """What a caller that used up its time has done."""
        return "upload rate" if self._left < self._pause else "body"

    @property
    def _left(self) -> float:
        if self._rate == 0:
            return self._pause
        return self._pause + self._bytes / self._rate - self._waited
