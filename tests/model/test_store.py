"""That the model's store is the gateway's: the same random calls to both, compared after each."""

import asyncio
import random

from fakes.records import START

from gateway.model import Operation
from gateway.store import Conflict
from gateway.store.memory import MemoryStore
from model import store
from model.book import EVENTS
from model.world import Rules, Scene, World

WALKS, CALLS = 200, 30
SLOTS = 3


class Both:
    """One store of each kind, and all records that anybody may still hold a copy of."""

    def __init__(self, chance: random.Random) -> None:
        self.scene = Scene(Rules())
        self.world: World = self.scene.beginning()
        self.real = MemoryStore(now=lambda: START, max_active=99, keep_finished=900.0, keep_keyed=900.0)
        self.chance = chance
        self.seen = [0]

    def record(self, number: int) -> Operation | None:
        return self.scene.book.records[number] if number else None

    async def claim(self) -> bool:
        slot = self.chance.randint(1, SLOTS)
        replaces = self.chance.choice([store.found(self.world), *self.seen])
        if slot > len(self.world.rows) + 1 or store.stored(self.world, slot):
            return False
        mine = store.claim(self.scene, self.world, slot, 1, replaces=replaces, licence=False, compares=True)
        draft = self.scene.book.draft(slot)
        drafted = self.record(draft)
        assert drafted is not None
        done = await self.real.claim(drafted, replaces=self.record(replaces))
        assert mine.done == done
        self.world = mine.world
        self.seen.append(draft)
        return done

    async def save(self) -> bool:
        """Moves some record that was once seen; or forgets one, which is tried on current records only."""
        previous = self.chance.choice(self.seen[-4:])
        event = self.chance.choice(
            [name for name in sorted(EVENTS) if self.scene.book.move(previous, name)] or [""]
        )
        number = self.scene.book.move(previous, event) if event else 0
        moved, before = self.record(number), self.record(previous)
        if moved is None or before is None:
            return False
        slot = int(before.id, 16)
        if event in {"Unsent", "Declined"}:
            if store.stored(self.world, slot) != previous:
                return False
            self.world = store.discard(self.scene, self.world, slot=slot, previous=previous).world
            await self.real.discard(before)
            return True
        mine = store.save(self.scene, self.world, number, slot=slot, previous=previous, owner=1)
        try:
            await self.real.save(moved, previous=before)
        except Conflict:
            assert not mine.done
        else:
            assert mine.done
        self.world = mine.world
        self.seen.append(number)
        return mine.done

    async def compare(self) -> None:
        assert await self.real.find("key") == self.record(store.found(self.world))
        for slot in range(1, SLOTS + 1):
            assert await self.real.get(f"{slot:032x}") == self.record(store.stored(self.world, slot))


def test_both_stores_do_the_same() -> None:
    async def story() -> None:
        chance, claimed, saved = random.Random(1), 0, 0
        for _ in range(WALKS):
            both = Both(chance)
            for _ in range(CALLS):
                if chance.random() < 0.4:
                    claimed += await both.claim()
                else:
                    saved += await both.save()
                await both.compare()
        assert claimed > WALKS, "the walks have gone nowhere"
        assert saved > 2 * WALKS

    asyncio.run(story())


def test_a_slot_is_used_again_only_when_nobody_speaks_of_it() -> None:
    scene = Scene(Rules())
    world = scene.beginning()
    assert store.free_slot(world) == 1
    world = store.claim(scene, world, 1, 1, replaces=0, licence=False, compares=True).world
    assert store.free_slot(world) == 2
    world = store.discard(scene, world, slot=1, previous=scene.book.draft(1)).world
    assert (store.free_slot(world), world.holder) == (1, -1)
