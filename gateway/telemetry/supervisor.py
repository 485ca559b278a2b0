"""What the program that started us is told: systemd, at the socket that it names in NOTIFY_SOCKET (sd_notify(3)).

So `Type=notify` counts the gateway as started once it takes calls, and `systemctl status` has a line from us.

Rules: one datagram for each thing there is to say, sent without waiting. Where nobody listens any more nothing is said:
a gateway that cannot tell its supervisor serves all the same. Without the variable there is no observer.

What this module must not do: read what systemd says, or end anything because of it.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress

from gateway.telemetry import Indifferent, Observer

VARIABLE = "NOTIFY_SOCKET"


def supervisors(environ: Mapping[str, str]) -> list[Observer]:
    """The one that the environment names, or none."""
    address = environ.get(VARIABLE, "")
    # A path, or `@` and a name in the abstract namespace; what else systemd may write there (vsock:) is for machines.
    return [Supervisor(address)] if address.startswith(("/", "@")) else []


class Supervisor(Indifferent):
    """Tells systemd what the log says of the gateway as a whole."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._listening = ""

    def event(self, name: str, **facts: str | float | bool) -> None:
        match name:
            case "listening":
                self._listening = f"takes calls at {facts['address']}, operators at {facts['admin']}"
                self._say("READY=1", f"STATUS={self._listening}")
            case "reloaded":
                self._say(f"STATUS={self._listening}")
            case "reload_refused":
                self._say(f"STATUS={self._listening}; the last reload was refused, the log says why")
            case "stopping":
                self._say("STOPPING=1", f"STATUS=stopping, {facts['held']} calls are held")
            case _:
                return  # the log's business alone

    def _say(self, *lines: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)
