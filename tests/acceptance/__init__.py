"""Black-box checks: real processes, real sockets, real clients."""
