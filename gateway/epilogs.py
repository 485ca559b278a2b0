r"""What each command's help ends with: examples, exit codes, and what it reads of the environment.

Rules: no line is longer than a terminal of 80 columns shows, two of them being the margin. A paragraph that opens
with \b is printed as it stands.

What this module must not do: import anything; help is asked for far more often than anything that it is about.
"""

ALL = """
\b
Examples:
  lro-gateway demo                         what it does, in 15 seconds
  lro-gateway check-config gateway.yaml    whether a configuration is good
  lro-gateway run --config gateway.yaml    the gateway
  lro-gateway operations --watch           what a running gateway is doing

\b
Exit codes:
  0  done
  1  it could not be done: a port is taken, a server or a library is missing
  2  the command, the configuration or another file is wrong

Each command has its own --help.
"""

RUN = """
\b
Examples:
  lro-gateway run
  lro-gateway run --config /etc/lro-gateway/gateway.yaml

\b
Exit codes:
  0  it was stopped by SIGTERM or SIGINT
  1  it cannot start: a port, the store, a file of listen.tls or a library
     is not to be had; the message says which, and what to do
  2  the configuration is wrong; every problem is told

\b
Environment:
  NAME                     where the file says env:NAME
  NOTIFY_SOCKET            systemd is told when it is ready and when it stops
  LRO_GATEWAY_CRASH_POINT  for trials: the point at which it ends itself
"""

CHECK_CONFIG = """
\b
Examples:
  lro-gateway check-config gateway.yaml
  lro-gateway check-config gateway.yaml --print-effective
  lro-gateway check-config gateway.yaml --explain POST /api/x reply.http

\b
Exit codes:
  0  `run` would take it; a warning does not change that
  2  the configuration or the exchange is wrong; every problem is told

\b
Environment:
  NAME  where the file says env:NAME
"""

CONFIG_SCHEMA = """
\b
Example:
  lro-gateway config-schema > gateway.schema.json

Exit code: 0.
"""

OPERATIONS = """
\b
Examples:
  lro-gateway operations --watch
  lro-gateway operations --state failed --json
  lro-gateway operations --admin http://10.1.2.3:9901

\b
Exit codes:
  0  they were shown; also Ctrl-C out of --watch
  1  the listener cannot be reached, or is no gateway's
  2  the question is wrong

\b
Environment:
  LRO_GATEWAY_ADMIN  in the place of --admin
  NO_COLOR           any value: no colours
"""

SIMULATE = """
\b
Examples:
  lro-gateway simulate
  lro-gateway simulate --duration 20s
  lro-gateway simulate --script faults.yaml --port 0 --monitor-port 0

\b
Exit codes:
  0  it was stopped by SIGTERM or SIGINT
  1  a port is taken, or the address is not this machine's
  2  an option or the script is wrong; every problem is told
"""

DEMO = """
\b
Examples:
  lro-gateway demo
  lro-gateway demo --logs

\b
Exit codes:
  0    everything was shown, and the counts prove it
  1    something did not go as it must; the last line says what
  130  it was interrupted
"""
