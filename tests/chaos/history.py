"""What was sent and what came back, held against the truth.

Rules: judged afterwards, from records alone. A duplicate is an item more than was wanted; a loss is a copy that its
caller was told of and that is not there, a copy that its caller was told had failed, or a caller who never got a final
answer; a cross-caller body is one that belongs to somebody else's drive or name. `409 copyOutcomeUnknown` is an honest
answer, as long as there is something that made the outcome unknown.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from chaos.fleet import Life
from chaos.graph import Truth
from chaos.wishes import AMBIGUOUS, Fault, Wish

NOTED_WITHIN = 1.0
"""Seconds within which an answer that arrived is on record, and a death before that forgets it."""

HARMFUL = (
    "authorization-sent",
    "cookie-sent",
    "caller-header-sent",
    "monitor-url-changed",
    "redirect-followed",
)
"""Violations that no death excuses; a poll too many after one is excused."""


@dataclass(frozen=True)
class Send:
    """One request for a copy, redirects included, and what became of it."""

    began: float
    ended: float
    life: Life
    status: int = 0
    """0: no answer."""
    code: str = ""
    item: str = ""
    name: str = ""
    drive: str = ""
    replayed: bool = False
    left: bool = False


@dataclass
class Story:
    """All that happened to one wish."""

    wish: Wish
    sends: list[Send] = field(default_factory=list)
    tried: str = ""
    """Why there is no final answer."""

    @property
    def last(self) -> Send | None:
        return self.sends[-1] if self.sends and not self.tried else None

    @property
    def succeeded(self) -> bool:
        return self.last is not None and self.last.status == 200

    @property
    def unknown(self) -> bool:
        return self.last is not None and (self.last.status, self.last.code) == (409, "copyOutcomeUnknown")


@dataclass
class Verdict:
    """What the check has found."""

    copies: int
    duplicates: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    """Cross-caller bodies."""
    second_posts: list[str] = field(default_factory=list)
    """POSTs that were sent again without Graph's own protection."""
    unexplained: list[str] = field(default_factory=list)
    """Unknown outcomes for which there is no reason."""
    exposed: list[str] = field(default_factory=list)
    """What a monitor must not be sent."""
    missing: list[str] = field(default_factory=list)
    """What should have gone wrong, and did not."""
    unknowns: int = 0
    ambiguities: int = 0
    joined_second: int = 0
    """Second copies that were answered from the first, with a reason; see `_may_be_replayed`."""
    resent: int = 0
    """POSTs more than copies, under Graph's own protection."""
    injected: Counter[str] = field(default_factory=Counter)

    @property
    def bound(self) -> float:
        """The highest share that is compatible with none among `copies`, by 95 %."""
        return float(1 - 0.05 ** (1 / self.copies))

    @property
    def wrong(self) -> list[str]:
        parts = (
            ("duplicate", self.duplicates),
            ("lost", self.losses),
            ("somebody else's", self.strangers),
            ("sent twice", self.second_posts),
            ("unknown without a reason", self.unexplained),
            ("sent to a monitor", self.exposed),
            ("not injected", self.missing),
        )
        return [f"{what}: {one}" for what, found in parts for one in found]

    def lines(self) -> list[str]:
        """For people."""
        injected = ", ".join(f"{count} {what}" for what, count in sorted(self.injected.items()))
        return [
            f"{self.copies} logical copies; injected: {injected}",
            f"{self.unknowns} honestly unknown, after {self.ambiguities} ambiguities",
            f"{self.resent} POSTs sent on again under Graph's protection",
            f"{self.joined_second} second copies answered from the first",
            f"duplicates {len(self.duplicates)}, losses {len(self.losses)}, cross-caller bodies {len(self.strangers)}",
            f"n = {self.copies}: where none was found, fewer than {100 * self.bound:.2g} % by 95 %",
            *self.wrong[:20],
        ]


def judge(stories: list[Story], lives: list[Life], truth: Truth, *, kills: int, stops: int) -> Verdict:
    """Hold what callers saw against the truth; `kills` and `stops` are how many were to be injected."""
    verdict = Verdict(len(stories))
    for story in stories:
        _ending(story, truth, verdict)
    _effects(stories, truth, verdict)
    _posts(stories, truth, verdict)
    _unknowns(stories, truth, verdict)
    _injected(stories, lives, truth, verdict, kills=kills, stops=stops)
    verdict.exposed = [f"{kind}: {n}" for kind, n in truth.violations.items() if kind in HARMFUL]
    return verdict


def _told(story: Story) -> str:
    sends = ", ".join(
        f"{send.status or '-'}{f' {send.code}' if send.code else ''}{' left' if send.left else ''}"
        f"@{send.life.replica}.{send.life.number}"
        for send in story.sends
    )
    wish = story.wish
    kind = f"{'fail' if wish.unique else 'rename'}{' keyed' if wish.keyed else ''} {wish.directive}".strip()
    return f"{wish.id} {wish.user}:{wish.name} ({kind}): {sends} {story.tried}".strip()


def _ending(story: Story, truth: Truth, verdict: Verdict) -> None:
    """What one caller was told at last."""
    last, wish = story.last, story.wish
    if last is None or not (story.succeeded or story.unknown):
        verdict.losses.append(_told(story))
        return
    if story.unknown:
        return
    stem, _, suffix = wish.name.rpartition(".")
    numbered = re.compile(rf"{re.escape(stem)}( \d+)?\.{re.escape(suffix)}")
    own = last.drive in {"", truth.drives[wish.user]} and (not last.name or numbered.fullmatch(last.name))
    if not own or (last.item not in truth.items[wish.user] and _somebody_elses(last.item, truth)):
        verdict.strangers.append(_told(story))
    elif last.item not in truth.items[wish.user]:
        verdict.losses.append(f"{_told(story)}: there is no item {last.item!r}")


def _somebody_elses(item: str, truth: Truth) -> bool:
    return any(item in items for items in truth.items.values())


def _effects(stories: list[Story], truth: Truth, verdict: Verdict) -> None:
    """Items by name: never more than were wanted, and all that callers were told of."""
    by_name: dict[tuple[str, str], list[Story]] = defaultdict(list)
    for story in stories:
        by_name[story.wish.user, story.wish.name].append(story)
    for (user, name), found in by_name.items():
        items = [story.last.item for story in found if story.succeeded and story.last is not None]
        told = "; ".join(map(_told, found))
        if len(set(items)) < len(items):
            if _may_be_replayed(found):
                verdict.joined_second += 1
            else:
                verdict.losses.append(f"the second copy was not made: {told}")
        effects = truth.effects.get(f"{user}:/{name}", 0)
        if effects > len(found):
            verdict.duplicates.append(f"{effects} items for {len(found)}: {told}")
        elif effects < len(set(items)):
            verdict.losses.append(f"{effects} items for {len(set(items))}: {told}")


def _may_be_replayed(found: list[Story]) -> bool:
    """Whether the answer to the first copy may be given for the second: where the process that gave it died before it
    could put down that it had arrived, and where the second call had to be sent again. It then says that it is a
    retry, and of which call cannot be seen; with an Idempotency-Key it could.
    """
    first, second = found[0].last, found[-1]
    if first is None:
        return False
    died = first.life.ended is not None and first.life.why != "end"
    forgotten = died and (first.life.ended or 0.0) - first.ended < NOTED_WITHIN
    return forgotten or (not second.wish.keyed and len(second.sends) > 1)


def _posts(stories: list[Story], truth: Truth, verdict: Verdict) -> None:
    """How often each copy was sent, but for what Graph refused for certain."""
    busy = {f"fault={word}" for word in ("503(1)", "429(1)")}
    sent = Counter(
        post.wish for post in truth.posts if post.complete and not any(word in post.simulate for word in busy)
    )
    for story in stories:
        more = sent[story.wish.id] - 1
        if more > 0 and story.wish.unique:
            verdict.resent += more
        elif more > 0:
            verdict.second_posts.append(f"{more + 1} POSTs: {_told(story)}")


def _unknowns(stories: list[Story], truth: Truth, verdict: Verdict) -> None:
    """Every unknown outcome has a reason: a fault of Graph's at the POST, or the death of a gateway that had it."""
    spoiled = {post.wish for post in truth.posts if "fault=" in post.simulate}
    for story in stories:
        faulty = story.wish.fault in AMBIGUOUS and story.wish.id in spoiled
        died = any(_died_with_it(send, story.sends[-1].ended) for send in story.sends)
        verdict.ambiguities += faulty or died
        if story.unknown:
            verdict.unknowns += 1
            if not faulty and not died:
                verdict.unexplained.append(_told(story))


def _died_with_it(send: Send, until: float) -> bool:
    life = send.life
    dead = life.ended is not None and life.why != "end" and send.began <= life.ended <= until
    return dead or any(began <= until and ended >= send.began for began, ended in life.stopped)


def _injected(
    stories: list[Story], lives: list[Life], truth: Truth, verdict: Verdict, *, kills: int, stops: int
) -> None:
    """What really went wrong, and whether it was enough."""
    faults = {story.wish.id: story.wish.fault for story in stories if story.wish.fault is not None}
    seen = {post.wish for post in truth.posts if post.complete and "fault=" in post.simulate}
    counted = Counter(fault.value for wish, fault in faults.items() if wish in seen)
    wanted = Counter(fault.value for fault in faults.values())
    for fault in Fault:
        # A first request may die with its gateway before Graph sees it, and its fault with it.
        died = sum(
            story.wish.fault is fault
            and any(_died_with_it(send, story.sends[-1].ended) for send in story.sends)
            for story in stories
        )
        if counted[fault.value] + died < max(1, wanted[fault.value] // 2):
            verdict.missing.append(f"{fault.value}: {counted[fault.value]} of {wanted[fault.value]}")
    deaths = Counter(life.why for life in lives if life.ended is not None and life.why != "end")
    if deaths.total() < kills:
        verdict.missing.append(f"kills: {deaths.total()} of {kills}")
    stopped = sum(len(life.stopped) for life in lives)
    if stopped < stops:
        verdict.missing.append(f"stops: {stopped} of {stops}")
    left = sum(send.left for story in stories for send in story.sends)
    if not left:
        verdict.missing.append("callers that leave")
    verdict.injected = Counter({
        **counted,
        "kills": deaths.total(),
        "of these at points": deaths.total() - deaths["kill"],
        "stops": stopped,
        "callers that left": left,
        "second copies": sum(story.wish.again is not None for story in stories),
    })  # fmt: skip
