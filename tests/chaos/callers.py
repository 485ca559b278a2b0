"""Callers: each wants one copy, may hang up on the way, and sends its POST again until it has a final answer.

Rules: a caller that sends again says so (`Retry-Attempt`) and keeps its client-request-id, as Graph's SDKs do. It
follows redirects. Final is an item, and an error that is not one of 429, 500, 502, 503 and 504. A second copy is a new
call, with another client-request-id, and begins when the answer to the first has been read to its end.
"""

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import aiohttp
from yarl import URL

from chaos.fleet import Fleet, Life
from chaos.history import Send, Story
from chaos.wishes import Wish
from gateway.clock import Clock

SOURCE = "/v1.0/me/drive/root:/hello.txt:/copy"
RENAME = "?@microsoft.graph.conflictBehavior=rename"
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which a client sends again."""
LONGEST = 8.0
"""Seconds that a client waits for an answer."""
PATIENCE = 90.0
"""Seconds until a copy without a final answer counts as lost."""
PAUSE = 0.1
"""Seconds before sending again, at first; doubled each time."""


class Callers:
    """All callers of a run."""

    def __init__(
        self, *, fleet: Fleet, session: aiohttp.ClientSession, clock: Clock, chance: random.Random
    ) -> None:
        self._fleet = fleet
        self._session = session
        self._clock = clock
        self._chance = chance
        self.stories: list[Story] = []

    async def grant(self, wish: Wish) -> None:
        """Get this copy, and the second one where that is wanted."""
        story = await self._tell(wish)
        if wish.again is not None and story.succeeded:
            await self._tell(wish.again)

    async def _tell(self, wish: Wish) -> Story:
        story = Story(wish)
        self.stories.append(story)
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._final(story):
                    pass
        except TimeoutError:
            story.tried = f"no final answer in {PATIENCE:.0f} s"
        return story

    async def _final(self, story: Story) -> bool:
        """Send once; whether that was the end of it."""
        attempt = len(story.sends)
        if attempt:
            await self._clock.sleep(min(PAUSE * 2 ** (attempt - 1), 2.0) * (0.5 + self._chance.random()))
        life = await self._fleet.somewhere(self._chance)
        began = self._clock.monotonic()
        leaves = story.wish.leaves[attempt] if attempt < len(story.wish.leaves) else None
        send = Send(began, began, life)
        try:
            async with asyncio.timeout(LONGEST if leaves is None else leaves):
                send = await self._send(story.wish, attempt, send)
        except TimeoutError:
            send = replace(send, left=leaves is not None)
        except (aiohttp.ClientError, OSError, ValueError):
            pass  # the gateway died, or cut it off
        story.sends.append(replace(send, ended=self._clock.monotonic()))
        return send.status != 0 and send.status not in AGAIN

    async def _send(self, wish: Wish, attempt: int, send: Send) -> Send:
        headers = {
            "Authorization": f"Bearer sim-{wish.user}",
            "Content-Type": "application/json",
            "client-request-id": wish.id,
        }
        headers["Simulate"] = wish.simulate if not attempt else f"duration={wish.duration * 1000:.0f}ms"
        if attempt:
            headers["Retry-Attempt"] = str(attempt)
        if wish.keyed:
            headers["Idempotency-Key"] = f"key-{wish.id}"
        target = SOURCE + ("" if wish.unique else RENAME)
        status, lines, body = await self._ask(
            send.life, "POST", target, headers, json.dumps({"name": wish.name})
        )
        kept = {name: headers[name] for name in ("Authorization", "client-request-id")}
        while status == 303:
            status, lines, body = await self._ask(send.life, "GET", lines["Location"], kept)
            if status in {401, 404}:  # what the redirect led to is gone: start over
                return replace(send, status=0)
        told = json.loads(body) if body else {}
        item = told.get("id") or told.get("resourceId") or ""
        return replace(
            send,
            status=status,
            code=told.get("error", {}).get("code", ""),
            item=item,
            name=told.get("name", ""),
            drive=told.get("parentReference", {}).get("driveId", ""),
            replayed="Idempotent-Replayed" in lines,
        )

    async def _ask(
        self, life: Life, method: str, target: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, Any, bytes]:
        url = URL(life.url + target, encoded=True)
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as reply:
            return reply.status, reply.headers, await reply.read()
