"""Every way to fail that has an answer, with its status, Graph code and Proxy-Status word.

    GatewayError
    ├── Refusal                        the guard says no: nothing was read further, nothing was sent
    │   ├── MalformedRequest           400 invalidRequest
    │   ├── MethodNotAllowed           405 methodNotAllowed
    │   ├── ExpectationFailed          417 expectationFailed
    │   ├── TargetTooLong              414 uriTooLong
    │   ├── TooEarly                   425 tooEarly
    │   ├── HeadersTooLarge            431 requestHeaderFieldsTooLarge
    │   ├── MethodUnknown              501 notImplemented
    │   └── VersionUnsupported         505 httpVersionNotSupported
    ├── BodyTimeout                    408 requestTimeout
    ├── BodyTooLarge                   413 payloadTooLarge
    ├── Overloaded                     503 serviceNotAvailable, Retry-After: this request started nothing
    ├── StoreUnavailable               503 serviceNotAvailable, Retry-After: no operation can be remembered now
    ├── NothingSent                    503 serviceNotAvailable, Retry-After: an operation's POST never left
    ├── KeyReused                      422 idempotencyKeyReused
    ├── KeyNeeded                      401 unauthenticated: no Gateway-Key, or none of ours
    ├── CallNotAllowed                 403 accessDenied: not on the list of auth.allow
    ├── UnknownOperation               404 itemNotFound: no such id, or not yours
    ├── CredentialNeeded               401 unauthenticated: come back with your Authorization
    ├── CredentialError                502 credentialRefused: Entra gives the gateway no token; names the AADSTS code
    │   ├── TokenUnavailable           503 serviceNotAvailable, Retry-After: Entra could not be asked
    │   └── CallerRefused              401 unauthenticated: no token of the caller's, or none that Entra takes
    ├── UpstreamError                  Graph or a monitor could not be talked to
    │   ├── UpstreamUnreachable        502 badGateway (refused, DNS, TLS, no route): no byte was sent
    │   ├── AddressRefused             502 badGateway: the name resolves to an address that is off limits
    │   ├── UpstreamSilent             504 gatewayTimeout
    │   ├── UpstreamBroken             502 badGateway: cut off before or within its answer
    │   ├── UpstreamMalformed          502 badGateway: what came is not HTTP as we know it, or too large
    │   └── ProxyLoop                  502 badGateway: the call has been here before
    ├── OutcomeUnknown                 504 copyOutcomeUnknown (409 for a call that came after)
    ├── StillRunning                   504 operationStillRunning, Retry-After
    ├── OperationLost                  502 operationNotFound
    └── DeadlineExceeded               502 operationDeadlineExceeded

The rule behind the statuses: 503 and 429 promise that this request started nothing; 502 and 504 never do.

A class's docstring is its message: fixed text, so that nothing a caller or an upstream sent is ever echoed.
An operation that Graph itself ended as failed is no error of ours: see `model.Problem`.
"""

import re
from typing import ClassVar

_ENTRA_CODE = re.compile(r"AADSTS[0-9]{2,7}")


class GatewayError(Exception):
    """The gateway could not answer this request."""

    status: int = 500
    code: ClassVar[str] = "generalException"
    proxy_error: ClassVar[str | None] = "proxy_internal_error"
    """Error type for the Proxy-Status header (RFC 9209 section 2.3); None where none fits."""
    retry_after: int | None = None
    """Whole seconds; Graph SDKs cannot read fractions."""
    close: ClassVar[bool] = False
    """Whether the connection cannot be used further."""

    def __init__(self, reason: str = "", *, retry_after: int | None = None) -> None:
        """`reason` is a fixed word for logs and counters, never text that somebody sent."""
        super().__init__(reason or type(self).__name__)
        self.reason = reason or type(self).__name__
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def message(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


class Refusal(GatewayError):
    """The request was refused."""

    status = 400
    code = "invalidRequest"
    proxy_error = "http_request_error"
    close = True


class MalformedRequest(Refusal):
    """The request is malformed or ambiguous and was not forwarded."""


class MethodNotAllowed(Refusal):
    """This method is not forwarded."""

    status = 405
    code = "methodNotAllowed"


class ExpectationFailed(Refusal):
    """The only expectation that can be met is 100-continue."""

    status = 417
    code = "expectationFailed"


class TargetTooLong(Refusal):
    """The request target is too long."""

    status = 414
    code = "uriTooLong"


class TooEarly(Refusal):
    """A long-running operation is not started from early data, which may be replayed (RFC 8470)."""

    status = 425
    code = "tooEarly"


class HeadersTooLarge(Refusal):
    """The request's header is too large."""

    status = 431
    code = "requestHeaderFieldsTooLarge"


class MethodUnknown(Refusal):
    """This method is not known."""

    status = 501
    code = "notImplemented"


class VersionUnsupported(Refusal):
    """Only HTTP/1.1 and HTTP/1.0 are spoken here."""

    status = 505
    code = "httpVersionNotSupported"


class BodyTimeout(GatewayError):
    """The request did not arrive in time."""

    status = 408
    code = "requestTimeout"
    proxy_error = "http_request_error"
    close = True


class BodyTooLarge(GatewayError):
    """The body of a long-running action is larger than limits.body allows; nothing was sent upstream."""

    status = 413
    code = "payloadTooLarge"
    proxy_error = "http_request_error"
    close = True


class Overloaded(GatewayError):
    """The gateway is at one of its limits or stopping; this request started nothing and may be sent again."""

    status = 503
    code = "serviceNotAvailable"
    proxy_error = "connection_limit_reached"
    retry_after = 2


class StoreUnavailable(GatewayError):
    """Operations cannot be remembered right now, so none is started; this request may be sent again."""

    status = 503
    code = "serviceNotAvailable"
    proxy_error = "proxy_internal_error"
    retry_after = 5


class NothingSent(GatewayError):
    """The upstream could not be reached; nothing was sent, so this request may be sent again."""

    status = 503
    code = "serviceNotAvailable"
    proxy_error = "destination_unavailable"
    retry_after = 2

    def __init__(self, reason: str = "", *, proxy_error: str | None = None) -> None:
        super().__init__(reason)
        self.proxy_word = proxy_error or self.proxy_error


class KeyReused(GatewayError):
    """This Idempotency-Key was used before with a different request."""

    status = 422
    code = "idempotencyKeyReused"
    proxy_error = "http_request_error"


class KeyNeeded(GatewayError):
    """This gateway wants one of its callers' keys, as Gateway-Key."""

    status = 401
    code = "unauthenticated"
    proxy_error = "http_request_denied"
    challenge = b"Gateway-Key"


class CallNotAllowed(GatewayError):
    """This gateway does not let this call through: it is not on its list (auth.allow)."""

    status = 403
    code = "accessDenied"
    proxy_error = "http_request_denied"


class UnknownOperation(GatewayError):
    """There is no such operation, or it is not yours."""

    status = 404
    code = "itemNotFound"
    proxy_error = None


class CredentialNeeded(GatewayError):
    """The result is there, but not the credential to fetch it with: ask again with your Authorization."""

    status = 401
    code = "unauthenticated"
    proxy_error = None


class CredentialError(GatewayError):
    """Entra does not give the gateway a token: its auth settings, or the app registration, have to be mended."""

    status = 502
    code = "credentialRefused"
    proxy_error: ClassVar[str | None] = "proxy_configuration_error"
    answered: bool = False
    """Whether this came of the upstream's own answer, which was a 401."""

    def __init__(self, reason: str = "", *, retry_after: int | None = None) -> None:
        """`reason`: an error code of Entra's (`AADSTS7000215`) where there is one."""
        super().__init__(reason, retry_after=retry_after)

    @property
    def message(self) -> str:
        return f"{super().message} ({self.reason})" if _ENTRA_CODE.fullmatch(self.reason) else super().message


class TokenUnavailable(CredentialError):
    """Entra could not be asked for a token; nothing was sent, so this request may be sent again."""

    status = 503
    code = "serviceNotAvailable"
    proxy_error = "destination_unavailable"
    retry_after = 5


class CallerRefused(CredentialError):
    """Send a bearer token for this gateway's application: there is none, or Entra does not take it."""

    status = 401
    code = "unauthenticated"
    proxy_error = None

    def __init__(self, reason: str = "", *, challenge: bytes = b'Bearer realm=""') -> None:
        """`challenge`: the value of WWW-Authenticate."""
        super().__init__(reason)
        self.challenge = challenge


class UpstreamError(GatewayError):
    """The upstream could not be talked to."""

    status = 502
    code = "badGateway"
    proxy_error = "destination_unavailable"
    sent: ClassVar[bool] = True
    """Whether a byte of the request may have reached the other side."""

    def __init__(self, reason: str = "", *, proxy_error: str | None = None) -> None:
        super().__init__(reason)
        self.proxy_word = proxy_error or self.proxy_error


class UpstreamUnreachable(UpstreamError):
    """The upstream could not be reached."""

    sent = False


class AddressRefused(UpstreamUnreachable):
    """The name resolves to an address that is off limits."""

    proxy_error = "destination_ip_prohibited"


class UpstreamSilent(UpstreamError):
    """The upstream did not answer in time."""

    status = 504
    code = "gatewayTimeout"
    proxy_error = "http_response_timeout"


class UpstreamBroken(UpstreamError):
    """The upstream's answer was cut off."""

    proxy_error = "http_response_incomplete"


class UpstreamMalformed(UpstreamError):
    """The upstream's answer is malformed or too large."""

    proxy_error = "http_protocol_error"


class ProxyLoop(UpstreamError):
    """The call has been through this gateway before."""

    proxy_error = "proxy_loop_detected"
    sent = False


class OutcomeUnknown(GatewayError):
    """Whether the upstream carried out this action is not known; look before you send it again."""

    status = 504
    code = "copyOutcomeUnknown"
    proxy_error = "http_response_timeout"

    def __init__(self, reason: str = "", *, status: int = 504) -> None:
        super().__init__(reason)
        self.status = status


class StillRunning(GatewayError):
    """The operation is still running; send the same request again to go on waiting for it."""

    status = 504
    code = "operationStillRunning"
    proxy_error = "http_response_timeout"
    retry_after = 2


class OperationLost(GatewayError):
    """The upstream no longer knows the operation; whether it was carried out is not known."""

    status = 502
    code = "operationNotFound"
    proxy_error = "http_response_incomplete"


class DeadlineExceeded(GatewayError):
    """The operation did not end within operations.deadline and is no longer followed."""

    status = 502
    code = "operationDeadlineExceeded"
    proxy_error = "http_response_timeout"
