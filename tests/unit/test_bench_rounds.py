"""What the bench keeps of its rounds, and the page that is made of it."""

import re
from pathlib import Path

import pytest

from bench import page
from bench.machine import Calm, Failed
from bench.passage import blocks, ratios
from bench.plots import Bars
from bench.rounds import Part, keep, load, note, run, table, troubles
from bench.rounds import median as median_column

QUIET = Calm(busy=0.01, steal=0.0, loop_ms=(10.0, 10.0), spread=0.05)

PART = Part(
    rounds={
        "slow": [{"rps": 100.0}, {"rps": 50.0}, None],
        "fast": [{"rps": 400.0}, {"rps": 100.0}, {"rps": 9000.0}],
    },
    taken="2026-11-21 10:00 UTC",
    seconds=120.0,
)


def test_ratios_are_those_within_a_round() -> None:
    assert PART.ratio("fast", "slow", "rps") == 3.0  # of 4 and 2; the third round has no pair
    assert PART.difference("fast", "slow", "rps") == 175.0
    assert PART.median("fast", "rps") == 400.0
    assert PART.spread("slow", "rps") == pytest.approx(50 / 75)


def test_what_was_not_measured_has_no_figure() -> None:
    assert PART.median("slow", "other") is None
    assert PART.ratio("slow", "nobody", "rps") is None
    assert "| slow | – |" in table(PART, [median_column("x", "other")], names={"slow": "slow"})


def test_a_contestant_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.rounds.calibrate", lambda: QUIET)
    told: list[str] = []

    def measure(name: str) -> dict[str, float]:
        if name == "broken":
            raise Failed("502")
        return {"rps": 1.0}

    part = run(("broken", "good"), measure, rounds=2, tell=told.append)
    assert part.rounds == {"broken": [None, None], "good": [{"rps": 1.0}, {"rps": 1.0}]}
    assert sum("broken FAILED: 502" in line for line in told) == 2
    assert part.troubles == []


def test_a_part_replaces_itself_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.rounds.LATEST", tmp_path / "latest.json")
    monkeypatch.setattr("bench.rounds.QUICK", tmp_path / "quick.json")
    keep("one", PART, quick=False)
    keep("two", PART, quick=False)
    keep("one", Part(rounds={}, taken="later"), quick=False)
    keep("two", Part(rounds={}, taken="briefly"), quick=True)
    kept = load(tmp_path / "latest.json")
    assert (kept["one"].taken, kept["two"].taken) == ("later", PART.taken)
    assert kept["two"].rounds == PART.rounds


def test_a_noisy_machine_is_told_above_the_figures() -> None:
    noisy = Calm(busy=0.5, steal=0.0, loop_ms=(10.0,), spread=0.05)
    assert troubles([QUIET, QUIET]) == []
    assert troubles([QUIET, noisy]) == ["other programs kept the cores busy: 50%"]
    told = note(Part(rounds=PART.rounds, troubles=troubles([noisy])))
    assert "worth little:** other programs kept the cores busy: 50%" in told
    assert "worth little" not in note(PART)
    uneven = Calm(busy=0.0, steal=0.0, loop_ms=(10.0,), spread=0.3)
    told = note(Part(rounds=PART.rounds, troubles=troubles([uneven])))
    assert "uneven machine:** one and the same loop differed: 30%" in told
    assert "worth little" not in told
    assert "worth little" in note(Part(rounds=PART.rounds, troubles=troubles([uneven, noisy])))


def test_tables_of_the_small_calls() -> None:
    figures = dict.fromkeys(
        ("c1_rps", "c1_p50", "c32_rps", "c32_cpu", "c32_p99", "c128_rps", "post_rps"), 10.0
    )
    part = Part(rounds={"ours": [figures], "naive": [dict.fromkeys(figures, 40.0)], "direct": [figures]})
    assert "| **lro-gateway** | 10 | +0 | 10 |" in blocks(part)["passage"]
    assert "| plain aiohttp | 0.25 | 0.25 | 0.25 | 0.25 | 0.25 |" in ratios(part)


def test_a_bar_is_as_long_as_its_share_and_names_are_escaped() -> None:
    picture = Bars("<b>", [("a & b", 10.0), ("ours", 5.0)], marked="ours").svg()
    long, short = (float(width) for width in re.findall(r'width="([\d.]+)" height', picture))
    assert short == pytest.approx(long / 2)
    assert "&lt;b&gt;" in picture
    assert "a &amp; b" in picture


def test_the_page_and_its_pictures_are_made_of_the_results_that_are_kept() -> None:
    fix = "run .venv/bin/python -m bench.page"
    results = load()
    text = page.PAGE.read_text("utf-8")
    assert text == page.renewed(text, results), fix
    for file, picture in page.plots(results).items():
        assert file.read_text("utf-8") == picture, f"{file.name}: {fix}"


def test_every_made_part_is_on_the_page_once() -> None:
    found = [mark["name"] for mark in page.MARKED.finditer(page.PAGE.read_text("utf-8"))]
    assert sorted(found) == sorted(page.blocks(load()))
