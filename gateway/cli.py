"""The command line: turns command words into one call, and what went wrong into one line and an exit code.

Exit codes: 0 done; 1 it could not be done (a port is taken, the parser is missing); 2 the command, the
configuration or the script is wrong; 130 the demo was interrupted. Nothing here prints a traceback for something
the user can mend.

`simulate` and `demo` import what they need when they are called: `run` starts without a simulator in memory.

What this module must not do: build parts of the gateway (`app` does).
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from gateway import __version__
from gateway.app import CannotListen, Gateway
from gateway.clock import SystemClock
from gateway.config import Config, ConfigError, load
from gateway.http.server import ParserMissing
from gateway.store import StoreDown
from gateway.telemetry.logs import LogObserver, configure

T = TypeVar("T")

cli = typer.Typer(
    name="lro-gateway",
    help="A reverse proxy that turns Microsoft Graph's 202 + monitor URL into a plain 200 with the finished item.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # plain text reads well in every terminal, log and pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point of the `lro-gateway` command."""
    cli()


def _version(wanted: bool) -> None:  # noqa: FBT001 - the shape of a typer callback
    if wanted:
        typer.echo(f"lro-gateway {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    _version_wanted: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@cli.command()
def run(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The YAML file; without one, every default holds.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Where it listens and what it forwards to is the first line of its log. On a signal it answers the calls that it
    holds, within shutdown.grace, and leaves with 0.
    """
    settings = _load(config) if config is not None else Config()
    observer = LogObserver(configure(level=settings.log.level, fmt=settings.log.format))

    async def serve(stop: asyncio.Event) -> None:
        gateway = Gateway(settings, SystemClock(), [observer])
        await gateway.run(stop)

    try:
        run_until_signalled(serve)
    except (CannotListen, ParserMissing, StoreDown) as error:
        fail(str(error), code=1)


@cli.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="The YAML file to check.", metavar="FILE")],
) -> None:
    """Check a configuration file.

    Every problem is told at once, each with line and column, the key and what to write instead.
    """
    _load(file)
    typer.echo(f"{file}: ok")


@cli.command()
def simulate(
    *,
    port: Annotated[
        int,
        typer.Option(help="Where Graph listens; 0 takes any free port.", min=0, max=65535, metavar="PORT"),
    ] = 8901,
    monitor_port: Annotated[
        int,
        typer.Option(
            help="Where its monitors listen; 0 takes any free port.", min=0, max=65535, metavar="PORT"
        ),
    ] = 8902,
    host: Annotated[str, typer.Option(help="The address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    name: Annotated[
        str | None, typer.Option(help="The host name in its URLs, where it is not ADDRESS.", metavar="NAME")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="A YAML file with faults and endings.", metavar="FILE")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="How many bytes a second copies make; 0: all at once.", metavar="SIZE")
    ] = "50MB/s",
    duration: Annotated[
        str, typer.Option(help="What every copy takes, whatever its size.", metavar="DURATION")
    ] = "1s",
) -> None:
    """Run a Microsoft Graph on this machine.

    Its copies take time, and go wrong on demand. Point a client at it to see what Graph does, or the gateway (upstream.base_url) to see what that changes. It
    prints where it listens, tokens that it accepts and a call to try; on SIGINT or SIGTERM what has happened.
    """
    from gateway.simulator import ScriptError, SimulatorSettings, load_script, serve, words  # noqa: PLC0415

    try:
        rules = load_script(script) if script is not None else SimulatorSettings().script
    except ScriptError as error:
        fail("\n".join(error.problems), code=2)
    except OSError as error:
        fail(f"{script}: cannot be read: {error.strerror}", code=2)
    settings = SimulatorSettings(
        host=host,
        port=port,
        monitor_port=monitor_port,
        graph_name=name,
        monitor_name=name,
        script=rules,
        bytes_per_second=_value("--speed", words.size, speed.removesuffix("/s")),
        base_duration=_value("--duration", words.duration, duration),
    )
    try:
        run_until_signalled(lambda stop: serve(settings, SystemClock(), stop, typer.echo))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fail(f"simulate: cannot listen: {reason}; choose --host, --port and --monitor-port anew", code=1)


@cli.command()
def demo(
    logs: Annotated[bool, typer.Option("--logs", help="Show the gateway's log between the lines.")] = False,
) -> None:
    """See in 15 seconds what the gateway does.

    A simulated Graph, the gateway and plain blocking clients talk over real sockets on this machine; nothing needs
    to be set up. A copy takes
    seconds, and its client gets 200 and the item. A client gives up, sends its POST again and joins what is running.
    A copy fails, and its client gets the error. A client follows redirects past its own limit. At the end the
    simulator's own counts prove that there is exactly one copy of everything; if not, the exit code is 1.
    """
    from gateway import demo as show  # noqa: PLC0415

    try:
        show.play(logs=logs)
    except show.NotShown as error:
        fail(f"demo: {error}", code=1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _value(option: str, read: Callable[[str], T], text: str) -> T:
    """What an option's text means; how it should be written, where it means nothing."""
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _load(file: Path) -> Config:
    try:
        return load(file, os.environ)
    except ConfigError as error:
        fail(str(error), code=2)


def fail(message: str, *, code: int) -> NoReturn:
    """Say what went wrong on standard error and leave."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def run_until_signalled(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve` on a fresh event loop; SIGTERM and SIGINT set the event it is given."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(body())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: about 15 % less CPU for each call."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not to be had on Windows

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
