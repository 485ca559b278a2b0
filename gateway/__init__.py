"""lro-gateway: a reverse proxy that turns Microsoft Graph's long-running actions into plain answers."""

__version__ = "0.1.0"
