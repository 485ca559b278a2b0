"""How an application proves who it is to the token endpoint: a secret, a certificate, or somebody else's token.

Sources: "Microsoft identity platform application authentication certificate credentials" and "Workload identity
federation". A signature is really verified, and so are audience, issuer, subject and lifetime.

Rules: refusals have Entra's codes; nothing here mints a token.
"""

import base64
import hashlib
import json
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.simulator.apps import App, Refusal

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE = "api://AzureADTokenExchange"

NO_APP = Refusal("unauthorized_client", 700016)
NO_PROOF = Refusal("invalid_client", 7000218, status=401)
WRONG_SECRET = Refusal("invalid_client", 7000215, status=401)
WRONG_SIGNATURE = Refusal("invalid_client", 700027, status=401)
EXPIRED_ASSERTION = Refusal("invalid_client", 700024, status=401)
NOT_FEDERATED = Refusal("invalid_client", 700213, status=401)


def proved(app: App, form: Mapping[str, str], token_endpoint: str, now: float) -> Refusal | None:
    """None where the form proves that it comes from the application."""
    if "client_secret" in form:
        return None if app.secret is not None and form["client_secret"] == app.secret else WRONG_SECRET
    if form.get("client_assertion_type") != _JWT_BEARER or "client_assertion" not in form:
        return NO_PROOF
    try:
        head, body, signature = form["client_assertion"].split(".")
        header, claims = _object(head), _object(body)
    except ValueError:
        return WRONG_SIGNATURE
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int | float) or expires_at <= now:
        return EXPIRED_ASSERTION
    if app.federated_subject is not None:
        right = claims.get("sub") == app.federated_subject and claims.get("aud") == _EXCHANGE
        return None if right else NOT_FEDERATED
    if app.certificate is None:
        return WRONG_SIGNATURE
    certificate = x509.load_pem_x509_certificate(app.certificate.encode())
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    meant = (
        header.get("x5t#S256") == base64.urlsafe_b64encode(thumbprint).decode()
        or header.get("x5t#S256") == base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")
    ) and (claims.get("iss"), claims.get("sub"), claims.get("aud")) == (
        app.client_id,
        app.client_id,
        token_endpoint,
    )
    if not (meant and _signed(certificate, header.get("alg"), f"{head}.{body}", signature)):
        return WRONG_SIGNATURE
    return None


def _signed(certificate: x509.Certificate, algorithm: object, text: str, signature: str) -> bool:
    key = certificate.public_key()
    if algorithm != "PS256" or not isinstance(key, rsa.RSAPublicKey):
        return False
    salted = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
    try:
        key.verify(_bytes(signature), text.encode(), salted, hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _object(segment: str) -> dict[str, object]:
    value = json.loads(_bytes(segment))
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - whatever is wrong with an assertion is one error
    return value
