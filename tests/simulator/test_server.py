"""The simulator as a whole: start, stop, ports, names, and that it stands on its own."""

import ast
import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.simulator
from gateway.clock import SystemClock
from gateway.simulator import Simulator, SimulatorSettings, read_script, serve
from simulator.loopback import SECOND, Bench, FakeClock, cut, run

PACKAGE = Path(gateway.simulator.__file__).parent


def test_the_simulator_imports_nothing_of_the_gateway_but_its_clock() -> None:
    def imported() -> Iterator[str]:
        for path in PACKAGE.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    yield node.module or ""
                elif isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)

    ours = {
        name for name in imported() if name.startswith("gateway") and not name.startswith("gateway.simulator")
    }
    assert ours == {"gateway.clock"}


def test_the_two_origins_are_different_and_carry_the_names_that_were_set() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        assert location.startswith("http://contoso.localhost:")
        assert bench.simulator.graph_url.startswith("http://graph.localhost:")
        assert cut(location)[0].rpartition(":")[2] != bench.simulator.graph_url.rpartition(":")[2]

    run(scenario, dataclasses.replace(SECOND, graph_name="graph.localhost", monitor_name="contoso.localhost"))


def test_the_same_seed_makes_the_same_world() -> None:
    def ids(seed: int) -> list[str]:
        simulator = Simulator(SimulatorSettings(seed=seed), FakeClock())
        return [drive.id for drive in (simulator.drive(), simulator.drive("ben"), simulator.drive("team"))]

    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(2))


def test_seeding_drives() -> None:
    simulator = Simulator(SimulatorSettings(users=("zoe",), sample=False), FakeClock())
    drive = simulator.drive("me")
    assert (drive.owner, drive.personal, drive.names()) == ("zoe", False, [])
    drive.add_file("A/b.txt", 5)
    drive.add_file(".hidden/c.txt", data=b"hi", now=5.0)
    drive.add_folder("Empty/deep")
    assert drive.names() == [".hidden", "A", "Empty"]
    assert drive.names("nowhere") == []
    found = drive.find(".hidden/c.txt")
    assert found is not None
    assert (found.created, found.size) == (5.0, 2)
    assert simulator.drive(drive.id) is drive
    with pytest.raises(KeyError):
        simulator.drive("nobody")


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    async def scenario(bench: Bench) -> None:
        taken = int(bench.simulator.graph_url.rpartition(":")[2])
        second = Simulator(SimulatorSettings(monitor_port=taken), FakeClock())
        with pytest.raises(OSError, match="address already in use"):
            await second.start()

    run(scenario)


def test_stopping_lets_go_of_requests_that_hang() -> None:
    async def play() -> None:
        simulator = Simulator(SimulatorSettings(), FakeClock())
        await simulator.start()
        bench = Bench(simulator, FakeClock())
        async with bench.connection(simulator.graph_url) as (reader, writer):
            writer.write(b"GET /v1.0/me HTTP/1.1\r\nHost: x\r\nSimulate: fault=get:hang\r\n\r\n")
            await bench.until(lambda: len(simulator.requests()) == 1)
            await simulator.stop()
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)

    asyncio.run(play())


def test_a_script_is_in_force_from_the_start() -> None:
    script = read_script("defaults: {ending: 202-json, duration: 2s}\nrules: [{times: 1, fault: 503}]\n")

    async def scenario(bench: Bench) -> None:
        assert (await bench.copy()).status == 503
        location = (await bench.copy()).header("Location")
        bench.clock.time = 2
        report = await bench.poll(location)
        assert (report.status, report.json()["status"]) == (202, "completed")
        bench.simulator.reset()
        assert (await bench.copy()).status == 503

    run(scenario, dataclasses.replace(SECOND, script=script))


def test_serve_says_where_it_listens_and_what_has_happened() -> None:
    lines: list[str] = []

    async def play() -> None:
        stop = asyncio.Event()

        def echo(line: str) -> None:
            lines.append(line)
            if line.startswith("Tokens"):
                stop.set()

        await serve(SimulatorSettings(), SystemClock(), stop, echo)

    asyncio.run(play())
    assert [line.split()[0] for line in lines] == [
        "Graph",
        "Monitors",
        "Control",
        "Tokens",
        "Try",
        "Requests",
        "Jobs",
        "Items",
        "Wrong",
    ]
    assert lines[0].startswith("Graph    http://127.0.0.1:")
    assert lines[-1] == "Wrong    0 violations"


def test_the_summary_names_effects_and_violations() -> None:
    async def scenario(bench: Bench) -> None:
        location = (await bench.copy()).header("Location")
        await bench.poll(location, headers=(("Cookie", "a=b"),))
        bench.clock.time = 10
        lines = gateway.simulator.summary_lines(bench.simulator.summary())
        assert "         1 x ana:/Documents/new.docx" in lines
        assert lines[-1].strip().startswith("cookie-sent: a to /_api/v2.0/monitor/")

    run(scenario)


def test_every_module_says_what_it_is_and_stays_small() -> None:
    for path in PACKAGE.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path.name
        assert len(text.splitlines()) <= 250, path.name
