"""What stories that must go the same on every store are played on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stage
from fakes.redis import RedisProcess, serving


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """A Redis of the tests' own. Whoever uses it empties it."""
    with serving() as process:
        yield process


@pytest.fixture
def empty_redis(redis_process: RedisProcess) -> RedisProcess:
    redis_process.ask("FLUSHALL")
    return redis_process


@pytest.fixture(params=["memory", "sqlite", "redis"])
def every_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play the test's stories on each store in turn."""
    settings: dict[str, Any] = {"store": request.param}
    if request.param == "sqlite":
        settings["path"] = tmp_path / "operations.db"
    if request.param == "redis":
        settings["url"] = request.getfixturevalue("empty_redis").url
    monkeypatch.setattr(stage, "STORE", settings)
