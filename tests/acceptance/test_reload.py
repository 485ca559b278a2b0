"""SIGHUP to a gateway's process: the file is read anew, and the log says what came of it."""

import signal
from pathlib import Path

from acceptance.command import Command, ended

FILE = """\
listen: {{port: 0}}
admin: {{port: 0}}
log: {{format: {format}}}
wait: {{max: {wait}}}
shutdown: {{grace: {grace}}}
"""


def test_a_process_reads_its_file_anew(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(FILE.format(format="json", wait="5s", grace="2s"), "utf-8")
    with Command("run", "--config", file) as command:
        command.event("listening")
        file.write_text(FILE.format(format="json", wait="7s", grace="3s"), "utf-8")
        command.send(signal.SIGHUP)
        told = command.event("reloaded")
        assert (told["changed"], told["restart"]) == ("wait.max", "shutdown.grace")

        file.write_text("wait: {max: soon}\n", "utf-8")
        command.send(signal.SIGHUP)
        told = command.event("reload_refused")
        assert told["level"] == "warning"
        assert told["problems"].startswith(f"{file}:1:13: wait.max: ")
        assert told["problems"] in "\n".join(ended("check-config", file).lines)

        file.write_text(FILE.format(format="console", wait="7s", grace="3s"), "utf-8")
        command.send(signal.SIGHUP)
        line = next(line for line in command._lines() if "reloaded" in line)
        assert "changed=log.format" in line, "and told in the new format"
        assert command.stop() == 0
