"""rclone, whose onedrive backend asks graph.microsoft.com and nothing else: as in a pod, that name leads to the gateway.

A proxy that lets nobody out stands in for the pod's alias: whatever rclone wants to reach is the gateway.
"""

import asyncio
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from acceptance.command import environment
from fakes.papers import Papers
from stage import Stage, play

from gateway.simulator import SimulatorSettings

NAME = "graph.microsoft.com"


async def rclone(stage: Stage, house: Papers, *words: str) -> tuple[int, str]:
    """Its exit code, and what it says on standard error."""
    assert shutil.which("rclone"), "make tools installs it"
    token = stage.default_token.removeprefix("Bearer ")
    remote = {
        "TYPE": "onedrive",
        "DRIVE_ID": stage.simulator.drive("ana").id,
        "DRIVE_TYPE": "business",
        "TOKEN": json.dumps({"access_token": token, "expiry": "2999-01-01T00:00:00Z"}),
    }

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(f"CONNECT {NAME}:443 ".encode())
        there = await asyncio.open_connection(stage.host, stage.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            "rclone",
            "--config=",
            "--retries=1",
            "--low-level-retries=1",
            *words,
            env=environment(
                HTTPS_PROXY=f"http://127.0.0.1:{port}",
                SSL_CERT_FILE=os.fspath(house.file),
                **{f"RCLONE_CONFIG_DRIVE_{key}": value for key, value in remote.items()},
            ),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def listen(house: Papers, **more: str) -> dict[str, object]:
    server = house.issue("gateway", hosts=[NAME])
    files = {"certificate_file": server.certificate, "private_key_file": server.key}
    return {"port": 0, "tls": files, **more}


SETTINGS = SimulatorSettings(base_duration=0.3, bytes_per_second=0)
COPY = ("copyto", "drive:hello.txt", "drive:Backup/rclone.txt")


def test_it_copies_by_asking_the_gateway_for_the_status(tmp_path: Path) -> None:
    """It wants no waiting (`respond-async`), and asks by itself."""
    house = Papers(tmp_path, "house")

    async def story(stage: Stage) -> None:
        code, said = await rclone(stage, house, *COPY)
        assert code == 0, said
        assert stage.simulator.summary().effects == {"ana:/Backup/rclone.txt": 1}

    observer = play(story, listen=listen(house, public_url=f"https://{NAME}"), settings=SETTINGS)
    told = [(call.route, call.status) for call in observer.calls if call.operation]
    assert told[0] == ("hold", 202)
    assert told[-1] == ("status", 200)


def test_it_asks_at_absolute_urls_only(tmp_path: Path) -> None:
    """Without `listen.public_url` it finds no way to the status. Where this fails it has learned better: see docs/clients.md."""
    house = Papers(tmp_path, "house")

    async def story(stage: Stage) -> None:
        code, said = await rclone(stage, house, *COPY)
        assert code != 0
        assert "unsupported protocol scheme" in said

    play(story, listen=listen(house), settings=SETTINGS)
