"""Applications that ask for tokens: what each has to prove, and the errors that a token endpoint may be told to give.

Rules: values only.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class App:
    """One app registration, or a managed identity."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    certificate: str | None = None
    """PEM; it has to sign its assertions with the key."""
    federated_subject: str | None = None
    """Whom a federated token has to name."""
    identity: bool = False
    """A managed identity: asked for on the machine's own endpoint, and nothing has to be proved."""


@dataclass(frozen=True)
class Refusal:
    """An error of the token endpoint ("Microsoft Entra authentication and authorization error codes")."""

    error: str
    code: int
    """Without AADSTS."""
    claims: str | None = None
    """JSON that the user has to bring."""
    status: int = 400
