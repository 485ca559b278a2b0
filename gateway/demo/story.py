"""The scenes of the demo.

Rules: each scene says what a client does, what Graph answers behind the gateway and what the client gets; and each
checks what it shows. Clients block in threads of their own, so that the screen can show how far the gateway has come.

What this module must not do: reach into the gateway or the simulator by anything but their sockets (`witness`).
"""

import http.client
import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway import __version__
from gateway.app import CannotListen
from gateway.clock import SystemClock
from gateway.demo.client import Answer, Client, GaveUp
from gateway.demo.screen import Screen
from gateway.demo.stage import Stage
from gateway.demo.witness import SOON, Copied, NotShown, Witness, over, prove
from gateway.telemetry.logs import LogObserver, configure

T = TypeVar("T")

MB = 10**6
SPEED = 40 * MB
"""Bytes a second that copies make here: it decides how long the scenes are."""
BASE = 0.3
FILES = {"film.mp4": 190 * MB, "disk.zip": 140 * MB}
"""What is copied, besides the simulator's samples: 5 and 4 seconds."""

PATIENT = Copied("film.mp4", "film-2.mp4")
DROPPED = Copied("disk.zip", "disk-2.zip")
CHAINED = Copied("LargeFolder1", "Large-2")
TAKEN = "/v1.0/me/drive/root:/Documents/report.docx:/copy"
"""Without a new name and a folder, a copy meets its original."""

IMPATIENCE = 1.5
"""Seconds after which the client of the second scene gives up."""

SHOWN = ("Content-Location", "ETag", "Gateway-Operation", "Server-Timing")
"""Headers of an answer that are worth a look."""

ENOUGH = 10
"""Characters of an id that are shown where the whole would not fit a line."""

INTRODUCTION = f"""\
lro-gateway {__version__}: what a blocking client gets where Microsoft Graph answers 202

Graph copies in the background: it answers 202 and a URL to poll, and a client
that does not poll never gets the item. Below, plain blocking clients talk to
the gateway and the gateway to a simulated Graph, all over real sockets."""


def play(*, logs: bool = False) -> None:
    """All scenes. Raises `NotShown`, and KeyboardInterrupt after having cleared the stage."""
    clock = SystemClock()
    began = clock.monotonic()
    screen = Screen(plain=logs)
    observer = LogObserver(configure(level="info" if logs else "error", fmt="console", stream=sys.stderr))
    stage = Stage(clock=clock, bytes_per_second=SPEED, base_duration=BASE, files=FILES, observers=[observer])
    try:
        screen.text(INTRODUCTION)
        with stage:
            client = Client(stage.addresses.callers, "sim-ana", clock)
            show = Show(screen, client, Witness(stage.addresses))
            show.waits()
            show.comes_back()
            show.fails()
            show.follows()
            show.proof()
    except (CannotListen, GaveUp, OSError, http.client.HTTPException) as error:
        raise NotShown(f"{type(error).__name__}: {error}") from error
    screen.text()
    screen.text(
        f"  Shown in {clock.monotonic() - began:.0f} s. That Graph, for clients of yours: lro-gateway simulate"
    )


@dataclass(frozen=True)
class Show:
    """The scenes, one method each."""

    screen: Screen
    client: Client
    witness: Witness

    def waits(self) -> None:
        say, witness = self.screen.say, self.witness
        self.screen.title("1. A copy takes five seconds; the client waits for its answer, that is all")
        self.asks(PATIENT.target, PATIENT.body)
        answering = alongside(lambda: self.client.post(PATIENT.target, PATIENT.body))
        operation = witness.begun(answering)
        say("Graph", "HTTP/1.1 202 Accepted", style="bold", after=" to the gateway; no item, but")
        say("", f"Location: {shortened(witness.job()['monitor'])}")
        self.watch(answering, operation, "polls that URL")
        answer = expect(answering.result(), 200, "the copy")
        polls = [poll["status"] for poll in witness.job()["polls"]]
        said = f"{polls.count(202)} x 202 inProgress, 1 x {polls[-1]} completed"
        say("Graph", f"{said}; then a GET of the item")
        self.answered(answer)

    def comes_back(self) -> None:
        say, witness = self.screen.say, self.witness
        self.screen.title("2. A client drops in the middle, comes back and gets the copy that was running")
        self.asks(DROPPED.target, DROPPED.body)
        waiting = alongside(lambda: self.client.post(DROPPED.target, DROPPED.body, patience=IMPATIENCE))
        operation = witness.begun(waiting)
        if not isinstance(waiting.exception(SOON), GaveUp):
            raise NotShown("the second scene: the client was answered before it gave up")
        say("client", f"gives up after {IMPATIENCE} s and closes its connection", style="bold red")
        left = witness.eventually(operation, lambda now: now["callers_waiting"] == 0, "nobody saw the drop")
        say(
            "gateway",
            f"goes on with operation {shortened(operation)} at {left['percentageComplete'] or 0:.0f} %",
        )
        say("client", "sends the same POST again")
        answering = alongside(lambda: self.client.post(DROPPED.target, DROPPED.body))
        joined = witness.eventually(
            operation,
            lambda now: now["callers_waiting"] == 1 or now["status"] == "completed",
            "the client joined nothing",
        )
        what = "joins it to" if joined["callers_waiting"] else "answers it from"
        say("gateway", f"{what} operation {shortened(operation)}; Graph hears nothing of it")
        self.watch(answering, operation, "polls on")
        answer = expect(answering.result(), 200, "the call that came again")
        self.answered(answer)
        posts = witness.posts(DROPPED.target)
        say("Graph", f"got {posts} POST of the client's 2")
        if answer.headers.get("Gateway-Operation") != operation or posts != 1:
            raise NotShown(f"the second scene: not one operation, but {posts} POSTs at Graph")

    def fails(self) -> None:
        say = self.screen.say
        self.screen.title("3. Graph accepts a copy that then fails; the client gets the error")
        self.asks(TAKEN, {})
        answer = expect(self.client.post(TAKEN, {}), 409, "a copy onto a name that is taken")
        job = self.witness.job()
        say("Graph", "HTTP/1.1 202 Accepted", style="bold", after=", and to the last poll")
        say(
            "",
            f'{job["polls"][-1]["status"]} {{"status":"failed","error":{{"code":"{job["code"]}", ...}}}}',
        )
        self.answered(answer)

    def follows(self) -> None:
        say = self.screen.say
        self.screen.title("4. A copy outlasts what one request may take; the client follows redirects")
        self.asks(CHAINED.target, CHAINED.body)
        say("", "Prefer: wait=1")
        answering = alongside(
            lambda: self.client.post_and_follow(CHAINED.target, CHAINED.body, {"Prefer": "wait=1"})
        )
        self.watch(answering, self.witness.begun(answering), "polls")
        answer, hops = answering.result()
        expect(answer, 200, "the chain of redirects")
        for hop in hops:
            say(
                "client",
                f"HTTP/1.1 {hop.status} See Other",
                style="bold",
                after=f" after {hop.seconds:.1f} s",
            )
            say("", f"Location: {shortened(hop.location)}")
        self.answered(answer)
        if not hops:
            raise NotShown("the fourth scene: there was no redirect to follow")

    def proof(self) -> None:
        self.screen.title("The proof: what the simulated Graph has counted")
        summary, posts, sent = self.witness.summary(), self.witness.posts(), self.client.sent
        made = [PATIENT, DROPPED, CHAINED]
        prove(summary, made)
        if posts != sent - 1:
            raise NotShown(f"the proof failed: of {sent} POSTs {posts} reached Graph, not {sent - 1}")
        for what, count, meaning in (
            ("POSTs of the clients", sent, "one of them sent again"),
            ("POSTs at Graph", posts, "that one did not get there"),
            ("copies", summary["items_created"], ", ".join(copied.name for copied in made)),
            ("failed", summary["copies_failed"], "the name was taken"),
            ("polls", sum(summary["polls"].values()), "none too early, none with a token; violations: none"),
        ):
            self.screen.text(f"  {what:<20}{count:>4}   {meaning}")
        self.screen.text()
        self.screen.text(
            "  There is exactly one copy of each, also of the one asked for twice.", "bold green"
        )

    # --- what they have in common --------------------------------------------------------------------------

    def asks(self, target: str, body: object) -> None:
        self.screen.say("client", f"POST {target}", style="bold")
        self.screen.say("", json.dumps(body))

    def watch(self, answering: "Future[Any]", operation: str, doing: str) -> None:
        """Show how far the operation has come until the call is answered."""
        with self.screen.bar("gateway", doing) as bar:
            while True:
                ended = over(answering)
                now = self.witness.operation(operation)
                bar.show(now["percentageComplete"] or 0.0, f"{now['polls']} polls")
                if ended:
                    return

    def answered(self, answer: Answer) -> None:
        style = "bold green" if answer.status < 300 else "bold red"
        line = f"HTTP/1.1 {answer.status} {answer.reason}"
        self.screen.say("client", line, style=style, after=f" after {answer.seconds:.1f} s")
        for name in SHOWN:
            if name in answer.headers:
                value = answer.headers[name]
                self.screen.say("", f"{name}: {shortened(value) if name == 'Content-Location' else value}")
        self.screen.say("", excerpt(answer.json))


def alongside(work: Callable[[], T]) -> "Future[T]":
    """Do something that blocks in a thread, which is left behind where nobody waits for it any more."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name="demo client", daemon=True).start()
    return future


def expect(answer: Answer, status: int, what: str) -> Answer:
    if answer.status != status:
        said = answer.body[:200].decode("utf-8", "replace")
        raise NotShown(f"{what} was answered {answer.status}, not {status}: {said}")
    return answer


def shortened(url: str) -> str:
    """A URL or an id, without secrets and with the most of its ids left out."""
    path, mark, query = url.partition("?")
    words = [word[:ENOUGH] + "..." if len(word) > 30 else word for word in path.split("/")]
    return "/".join(words) + (f"?ticket=...&{query.rpartition('&')[2]}" if mark else "")


def excerpt(body: Any) -> str:
    """What matters of an item or an error, on one line."""
    if "error" in body:
        return json.dumps({"error": {"code": body["error"]["code"]}})[:-2] + ", ...}}"
    item = {"name": body["name"], "id": shortened(body["id"]), "size": body["size"]}
    return json.dumps(item)[:-1] + ", ...}"
