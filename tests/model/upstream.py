"""The upstream of the model: what becomes of a POST that was written, whoever still waits for the answer.

Rules: a POST is taken on or turned down at any moment after it was written, or never. A job that was taken on makes
its copy later; where the upstream protects names, the second job finds the name taken. What it does cannot be seen
but through an answer, and that may be lost: see `owners`.

What this module must not do: know anything of the gateway.
"""

from collections.abc import Iterator

from model.store import with_post
from model.world import UNDECLINED, Scene, Step, World, name

TWICE = "more copies than were meant"
POSTED_TWICE = "a second POST while the outcome of the first is not known to be nothing"


def steps(scene: Scene, world: World) -> Iterator[Step]:
    for post in world.posts:
        who = f"upstream, record {post.slot}:"
        if post.fate == "written":
            yield Step(f"{who} accepts the POST", with_post(world, post, post._replace(fate="running")))
            if scene.unique and made(world):
                text = f"{who} declines the POST, the name is taken"
                yield Step(text, with_post(world, post, post._replace(fate="exists")))
            if world.left.mishaps:
                text = f"{who} declines the POST with a 429"
                yield Step(text, with_post(mishap(world), post, post._replace(fate="busy")), mishap=True)
        elif post.fate == "running":
            taken = scene.unique and made(world)
            after = with_post(world, post, post._replace(fate="refused" if taken else "made"))
            text = f"{who} {'finds the name taken' if taken else 'makes the copy'}"
            yield Step(text, after, breach=TWICE if copies(after) > scene.rules.meant else "")


def made(world: World) -> bool:
    return any(post.fate == "made" for post in world.posts)


def copies(world: World) -> int:
    return sum(post.fate == "made" for post in world.posts)


def too_many_posts(scene: Scene, world: World) -> str:
    """The rule of the second POST: only where every earlier one is known to have started nothing, or by the licence
    of reconciling.
    """
    blind = sum(post.fate in UNDECLINED and not post.resent for post in world.posts)
    return POSTED_TWICE if blind > scene.rules.meant else ""


def mishap(world: World) -> World:
    return world._replace(left=world.left._replace(mishaps=world.left.mishaps - 1))


def at(replica: int) -> str:
    return f"replica {name(replica)}:"
