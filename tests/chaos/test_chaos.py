"""A short chaos run for each store; `make chaos` is the long one."""

import asyncio
from pathlib import Path

import pytest
from acceptance.mediums import MEDIUMS

from chaos.run import Chaos, run

COPIES = 200


@pytest.mark.parametrize("store", MEDIUMS)
def test_no_duplicates_no_losses_nobody_elses(store: str, tmp_path: Path) -> None:
    verdict = asyncio.run(run(Chaos(store, COPIES, seed=1), tmp_path))
    assert verdict.wrong == [], "\n".join(verdict.lines())
    assert verdict.copies >= 0.95 * COPIES
