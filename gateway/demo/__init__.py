"""What the gateway does, shown in one terminal and in 15 seconds (`lro-gateway demo`).

    story    the scenes                  client   what calls the gateway: blocking, on real sockets
    screen   lines and progress bars     stage    simulator and gateway, on an event loop of their own
    witness  what both of those tell of what they did, and the proof at the end

Rules: nothing is staged for the eye. The clients know the standard library and a base URL; what is shown of Graph and
of the gateway is what their own HTTP endpoints tell. It needs no file, no network but loopback and no port in
particular, so that it works from an installed wheel. A scene that does not end as it must ends the demo, with one
line that says what was wrong.
"""

from gateway.demo.story import play
from gateway.demo.witness import NotShown

__all__ = ["NotShown", "play"]
