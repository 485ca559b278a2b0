"""Stand-ins for parts of the gateway: real behaviour in a small form, no recorded expectations."""
