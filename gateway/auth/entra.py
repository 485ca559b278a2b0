"""Asks Entra for tokens, through MSAL: the one place that knows that library.

Rules:
1. MSAL blocks; this runs in `threads` and is called from nowhere else. Every request has time-outs.
2. MSAL keeps nothing for us, neither tokens nor errors: `tokens` does, bounded and by the gateway's own clock.
3. What goes wrong leaves here as a `CredentialError` without the library's text, which may quote what was sent.
4. The authority is the operator's word: nobody else is asked whether it is one (no instance discovery), redirects
   are not followed, and neither proxies nor netrc are taken from the environment.

What this module must not do: decide when a token is needed, or whose.
"""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msal
import requests
from requests.adapters import HTTPAdapter

from gateway.auth import refusals
from gateway.auth.tokens import Grant, Wish
from gateway.clock import Clock
from gateway.config import Auth
from gateway.errors import CredentialError, TokenUnavailable

CONNECT = 3.05
READ = 10.0
"""Seconds that an answer, or the next part of it, may take."""

CAPABILITIES = ["CP1"]
"""We understand claims challenges (https://learn.microsoft.com/entra/identity-platform/claims-challenge)."""

PUBLIC_CLOUD = "https://login.microsoftonline.com/"

LOOK_AGAIN = frozenset({404, 410, 429})
"""Of a managed identity's endpoint, all three pass (IMDS is being updated, or throttles):
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling."""


def authority_of(auth: Auth) -> str:
    return auth.authority or f"{PUBLIC_CLOUD}{auth.tenant_id}"


class Entra:
    """The token endpoint, or in `managed_identity` the machine's own."""

    def __init__(self, auth: Auth, clock: Clock, *, connect: float = CONNECT, read: float = READ) -> None:
        self._auth = auth
        self._clock = clock
        self._session = Session(auth.ca_file, (connect, read))
        self._lock = threading.Lock()
        self._closed = False
        self._application: Any = None
        self._identity: Any = None

    @property
    def authorize_url(self) -> str | None:
        """Where a user would sign in."""
        if self._auth.mode == "managed_identity":
            return None
        return f"{authority_of(self._auth)}/oauth2/v2.0/authorize"

    def ask(self, wish: Wish) -> Grant:
        """A token. Blocks. Raises `CredentialError` and its kinds."""
        self._session.heard = (0, None)
        try:
            return self._granted(self._asked(wish))
        except requests.exceptions.SSLError:
            raise TokenUnavailable("tls_certificate_error") from None
        except requests.Timeout:
            raise TokenUnavailable("timeout") from None
        except requests.RequestException:
            raise TokenUnavailable("unreachable") from None
        except CredentialError:
            raise
        except Exception as error:  # noqa: BLE001 - MSAL raises what its parsers raise, with what came as the text
            raise self._failure(f"{error} {error.__context__}") from None
        finally:
            if self._closed:
                self._session.close()

    def close(self) -> None:
        """Let go of all connections; requests that are under way let go of theirs."""
        self._closed = True
        self._session.close()

    def _asked(self, wish: Wish) -> dict[str, Any]:
        said: dict[str, Any]
        if self._auth.mode == "managed_identity":
            said = self._of_machine(wish)
        elif wish.assertion is not None:
            said = self._confidential().acquire_token_on_behalf_of(
                wish.assertion, list(self._auth.scopes), claims_challenge=wish.claims
            )
        else:
            said = self._confidential().acquire_token_for_client(
                list(self._auth.scopes), claims_challenge=wish.claims
            )
        return said

    def _confidential(self) -> Any:
        """MSAL's application; made when it is first needed, since that asks the authority for its endpoints."""
        with self._lock:
            if self._application is None:
                tokens = msal.TokenCache()
                tokens.add = _forget
                self._application = msal.ConfidentialClientApplication(
                    self._auth.client_id,
                    authority=authority_of(self._auth),
                    client_credential=self._proof(),
                    http_client=self._session,
                    token_cache=tokens,
                    http_cache=Forgetful(),
                    instance_discovery=False,
                    client_capabilities=CAPABILITIES,
                    exclude_scopes=["offline_access"],  # we have no use for a refresh token
                )
            return self._application

    def _proof(self) -> str | dict[str, str | Callable[[], str]]:
        auth = self._auth
        if auth.client_secret is not None:
            return auth.client_secret.text
        if auth.certificate is not None:
            return {"private_key": auth.certificate.key, "public_certificate": auth.certificate.certificate}
        path = auth.federated_token_file
        assert path is not None, "config.rules see to it"  # noqa: S101 - a bug of ours, never input
        return {"client_assertion": lambda: _token_in(path)}

    def _of_machine(self, wish: Wish) -> dict[str, Any]:
        """From the machine's own endpoint. A client of MSAL's remembers its last token, which it needs to have that
        one replaced; for a token in the ordinary way it must not remember.
        """
        with self._lock:
            client = self._identity if wish.forced else None
            if client is None:
                who = self._auth.client_id
                identity = (
                    msal.UserAssignedManagedIdentity(client_id=who)
                    if who is not None
                    else msal.SystemAssignedManagedIdentity()
                )
                client = self._identity = msal.ManagedIdentityClient(
                    identity,
                    http_client=self._session,
                    http_cache=Forgetful(),
                    client_capabilities=CAPABILITIES,
                )
        claims = (wish.claims or "{}") if wish.forced else None
        said: dict[str, Any] = client.acquire_token_for_client(
            resource=self._auth.scopes[0].removesuffix("/.default"), claims_challenge=claims
        )
        return said

    def _granted(self, said: dict[str, Any]) -> Grant:
        token = said.get("access_token")
        if not isinstance(token, str) or not token.isascii():
            raise self._refused(said)
        life = float(said.get("expires_in", 0))
        again = said.get("refresh_on")
        return Grant(token, life, float(again) - self._clock.now() if again is not None else None)

    def _refused(self, said: dict[str, Any]) -> CredentialError:
        status, _ = self._session.heard
        if status >= 500 or status == 429 or (self._managed and status in LOOK_AGAIN):
            return self._unavailable()
        return refusals.refusal(
            said, on_behalf=self._auth.mode == "on_behalf_of", authorize_url=self.authorize_url
        )

    def _failure(self, text: str) -> CredentialError:
        """What an exception of MSAL's means; of its text only Entra's code is looked at."""
        status, _ = self._session.heard
        code = refusals.code_in(text)
        if 400 <= status < 500 and status not in LOOK_AGAIN | {408}:
            return CredentialError(code or f"status_{status}")
        return self._unavailable()

    def _unavailable(self) -> TokenUnavailable:
        status, wish = self._session.heard
        return TokenUnavailable(f"status_{status}" if status >= 400 else "unreadable", retry_after=wish)

    @property
    def _managed(self) -> bool:
        return self._auth.mode == "managed_identity"


class Session(requests.Session):
    """A session with time-outs and our own idea of whom to trust."""

    def __init__(self, ca_file: Path | None, timeout: tuple[float, float]) -> None:
        super().__init__()
        self.trust_env = False
        self._timeout = timeout
        self._last = threading.local()
        self.mount("https://", _Adapter(ca_file))

    @property
    def heard(self) -> tuple[int, int | None]:
        """Status and Retry-After of this thread's last answer."""
        return getattr(self._last, "heard", (0, None))

    @heard.setter
    def heard(self, value: tuple[int, int | None]) -> None:
        self._last.heard = value

    def request(self, *args: Any, **more: Any) -> requests.Response:
        more |= {"timeout": self._timeout, "allow_redirects": False}
        try:
            reply = super().request(*args, **more)
        except requests.Timeout:
            raise
        except requests.exceptions.SSLError:
            raise
        except requests.ConnectionError:  # kept open for long, and closed by the other side
            reply = super().request(*args, **more)
        self.cookies.clear()  # no user's request shall be marked as another's
        wish = reply.headers.get("Retry-After", "")
        self.heard = (reply.status_code, int(wish) if wish.isascii() and wish.isdigit() else None)
        return reply


class _Adapter(HTTPAdapter):
    def __init__(self, ca_file: Path | None) -> None:
        self._context = ssl.create_default_context()
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is not None:
            self._context.load_verify_locations(ca_file)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **more)


class Forgetful(dict[str, Any]):
    """For MSAL's cache of answers, which would repeat an error for a minute."""

    def __setitem__(self, key: str, value: object) -> None:
        pass


def _forget(event: object, **more: object) -> None:
    """For MSAL's cache of tokens."""


def _token_in(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        raise CredentialError("federated_token_file") from None
