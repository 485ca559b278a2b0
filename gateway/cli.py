"""The command line: turns command words into one call, and what went wrong into one line and an exit code.

Exit codes: 0 done; 1 it could not be done (a port is taken, the parser is missing); 2 the command, the
configuration or the script is wrong; 130 the demo was interrupted. Nothing here prints a traceback for something
the user can mend.

Rules: `operations` ends with 0 on Ctrl-C. Each command imports what it needs when it is called: help and completion
answer at once, and `run` starts without a simulator, tables and terminals in memory.

What this module must not do: build parts of the gateway (`app` does).
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup

from gateway import epilogs

if TYPE_CHECKING:
    from gateway.config import Cautions, Config

T = TypeVar("T")

BETWEEN_LOOKS = 1.0
"""Seconds between two looks of `operations --watch`."""

ADMIN = "http://127.0.0.1:9901"
"""Where a gateway with the default configuration can be asked."""

GROUPS = ("active", "ended", "stalled", "waiting_for_caller")
"""What `operations --state` takes besides the states."""


class Commands(TyperGroup):
    """The commands; one that does not exist is answered with those it may have been meant for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        from difflib import get_close_matches

        wanted = args[0]
        if wanted not in self.commands and not wanted.startswith("-") and not ctx.resilient_parsing:
            known = list(self.commands)
            near = [name for name in known if name.startswith(wanted[:3])]
            if near := near or get_close_matches(wanted, known, n=1, cutoff=0.4):
                ctx.fail(f"No such command {wanted!r}; did you mean {' or '.join(near)}?")
        return super().resolve_command(ctx, args)


cli = typer.Typer(
    name="lro-gateway",
    help="A reverse proxy that turns Microsoft Graph's 202 + monitor URL into a plain 200 with the finished item.",
    epilog=epilogs.ALL,
    cls=Commands,
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
        from gateway.versions import versions

        typer.echo(versions())
        raise typer.Exit


@cli.callback()
def _options(
    _version_wanted: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version, those of the libraries that matter, and exit.",
            callback=_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


@cli.command(epilog=epilogs.RUN)
def run(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="The YAML file; without one, every default holds.", metavar="FILE"
        ),
    ] = None,
) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Where it listens and what it forwards to is the first line of its log. On one of these it answers the calls that it
    holds, within shutdown.grace, and leaves with 0. On SIGHUP it reads the file anew, and logs which changes are in
    force and which want a restart.
    """
    import gc

    gc.disable()  # hardly anything that is imported is let go; the search for it took a tenth of the start
    from gateway import running
    from gateway.config import Config

    settings = _load(config) if config is not None else Config()
    try:
        running.run(settings, read=partial(_read, config) if config is not None else None)
    except running.CannotRun as error:
        fail(str(error), code=2 if error.wrong else 1)


@cli.command("check-config", epilog=epilogs.CHECK_CONFIG)
def check_config(
    file: Annotated[Path, typer.Argument(help="The YAML file to check.", metavar="FILE")],
    print_effective: Annotated[
        bool,
        typer.Option(
            "--print-effective", help="Print every key with the value that holds; no secret is shown."
        ),
    ] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Say what would become of a recorded exchange, and why.")
    ] = False,
    exchange: Annotated[
        list[str] | None,
        typer.Argument(
            help="With --explain: METHOD PATH REPLY.http [MONITOR_REPLY.http …].", metavar="[EXCHANGE]"
        ),
    ] = None,
) -> None:
    """Check a configuration file.

    Every problem is told at once, each with line and column, the key and what to write instead. With --explain an
    exchange is played back against the configured dialects, each file an answer as `curl -i` writes it; nothing is
    sent.
    """
    if exchange and not explained:
        fail(f"check-config takes one file; for {exchange[0]} and what follows, write --explain", code=2)
    cautions = _cautions()
    settings = _load(file, cautions)
    if explained:
        from gateway import explain

        try:
            lines = explain.explain(settings, explain.recorded(exchange or ()))
        except explain.NotAnExchange as error:
            fail(f"--explain: {error}", code=2)
        typer.echo("\n".join(lines))
        return
    if print_effective:
        from gateway.config.effective import effective

        typer.echo(effective(settings, cautions.written), nl=False)
    else:
        typer.echo(f"{file}: ok")


@cli.command("config-schema", epilog=epilogs.CONFIG_SCHEMA)
def config_schema() -> None:
    """Print the JSON Schema of the configuration file.

    Editors complete and check the file with it.
    """
    from gateway.config import schema

    typer.echo(schema.text(), nl=False)


def states(incomplete: str) -> list[str]:
    from gateway.model import State

    return [word for word in (*State, *GROUPS) if word.startswith(incomplete)]


def dialects(incomplete: str) -> list[str]:
    from gateway.dialects import KNOWN, PRESETS

    names = (*(dialect.name for dialect in KNOWN), *PRESETS)
    return [name for name in names if name.startswith(incomplete)]


@cli.command(epilog=epilogs.OPERATIONS)
def operations(
    *,
    admin: Annotated[
        str, typer.Option(help="The gateway's admin listener.", metavar="URL", envvar="LRO_GATEWAY_ADMIN")
    ] = ADMIN,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it, until Ctrl-C.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON as the listener gives it; with --watch one line each second.")
    ] = False,
    state: Annotated[
        str | None,
        typer.Option(
            help=f"Only these: a state, or {', '.join(GROUPS)}.", metavar="WORD", autocompletion=states
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(help="Only those of this dialect.", metavar="NAME", autocompletion=dialects),
    ] = None,
    find: Annotated[
        str | None, typer.Option(help="Only those with this in id, kind, state or code.", metavar="TEXT")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="So many at most.", min=1, max=10_000, metavar="N")
    ] = None,
) -> None:
    """Show the operations of a running gateway.

    Those under way come first, each with a progress bar and when it is expected to end.
    """
    import threading

    from gateway import listing

    asked = {"state": state, "dialect": dialect, "q": find, "limit": str(limit) if limit else None}
    pause = partial(threading.Event().wait, BETWEEN_LOOKS)
    try:
        shown = listing.Listing(admin, {name: value for name, value in asked.items() if value})
        if as_json:
            shown.print_json(pause if watch else None)
        elif watch:
            shown.watch(pause)
        else:
            shown.once()
    except listing.Refused as error:
        fail(f"operations: {error}", code=2)
    except listing.NotToBeHad as error:
        fail(f"operations: {error}", code=1)
    except KeyboardInterrupt:
        return  # the way out of --watch


@cli.command(epilog=epilogs.SIMULATE)
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

    Its copies take time, and go wrong on demand. Point a client at it to see what Graph does, or the gateway
    (upstream.base_url) to see what that changes. It prints where it listens, tokens that it accepts and a call to try;
    on SIGINT or SIGTERM what has happened.
    """
    from gateway.clock import SystemClock
    from gateway.process import run_until_signalled
    from gateway.simulator import ScriptError, SimulatorSettings, load_script, serve, words

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


@cli.command(epilog=epilogs.DEMO)
def demo(
    logs: Annotated[bool, typer.Option("--logs", help="Show the gateway's log between the lines.")] = False,
) -> None:
    """See in 15 seconds what the gateway does.

    A simulated Graph, the gateway and plain blocking clients talk over real sockets on this machine; nothing needs
    to be set up. A copy takes seconds, and its client gets 200 and the item. A client gives up, sends its POST again
    and joins what is running. A copy fails, and its client gets the error. A client follows redirects past its own
    limit. At the end the simulator's own counts prove that there is exactly one copy of everything.
    """
    from gateway import demo as show

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


def _cautions() -> "Cautions":
    from gateway.clock import SystemClock
    from gateway.config import Cautions

    return Cautions(now=SystemClock().now())


def _read(file: Path, cautions: "Cautions | None" = None) -> "Config":
    from gateway.config import load
    from gateway.dialects import documented

    return load(file, os.environ, taken=documented.calls(), cautions=cautions)


def _load(file: Path, cautions: "Cautions | None" = None) -> "Config":
    from gateway.config import ConfigError

    cautions = cautions or _cautions()
    try:
        config = _read(file, cautions)
    except ConfigError as error:
        fail(str(error), code=2)
    for caution in cautions.found:
        typer.echo(f"warning: {caution}", err=True)
    return config


def fail(message: str, *, code: int) -> NoReturn:
    """Say what went wrong on standard error and leave."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
