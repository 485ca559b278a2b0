"""A Graph on loopback for developers of clients and for the gateway's own tests (`lro-gateway simulate`).

Two origins, as in life: the Graph origin and a monitor origin that wants no token and refuses one. It is built
from Microsoft's pages and from what clients have reported, and imports nothing of the gateway but its clock, so that
a misreading of Graph in the gateway cannot cancel out here.

    server              listeners and the Python API       graph_origin, monitor_origin   who answers what
    wire, wire_io       requests and answers; the socket   addressing                     raw paths
    plan, directives    how an operation shall behave      words, rules, script           single values; which requests
    drives, sample      items in memory                    people                         users and their tokens
    entra, apps, proofs the token endpoints
    operations, jobs    work that takes time               places, reports, polling       monitors
    items, item_json    drives and items over HTTP         faults, results, errors        what goes wrong, and its shape
    workloads           Excel, OneNote, Teams, …           lookalikes, batch              what only looks like a job; $batch
    ledger, control     counts and violations; /_simulator transparency                   what a proxy changed

Rules: no background tasks; state is a function of the clock. No chance but the seeded one. No handler waits.
"""

from gateway.simulator.apps import App, Refusal
from gateway.simulator.directives import DIRECTIVE_KEYS, DirectiveError
from gateway.simulator.drives import Drive, Item
from gateway.simulator.ledger import Summary, Violation, Wrong
from gateway.simulator.operations import Operation
from gateway.simulator.rules import Rule, Script
from gateway.simulator.script import ScriptError, load_script, read_script
from gateway.simulator.server import Simulator, serve, summary_lines
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.wire import Asked

__all__ = [
    "DIRECTIVE_KEYS",
    "App",
    "Asked",
    "DirectiveError",
    "Drive",
    "Item",
    "Operation",
    "Refusal",
    "Rule",
    "Script",
    "ScriptError",
    "Simulator",
    "SimulatorSettings",
    "Summary",
    "Violation",
    "Wrong",
    "load_script",
    "read_script",
    "serve",
    "summary_lines",
]
