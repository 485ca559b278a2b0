"""What the gateway proves to Entra with: secrets, certificates, token files, and where to prove it.

Rules: a secret is never shown, by a message or by the configuration itself. A certificate is read while the
configuration is read, so that one that does not belong to its key is told there, with its line, and not by the first
call. Nothing here asks anybody.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from gateway.config.addresses import Url
from gateway.config.kinds import Kind, unfit
from gateway.config.sources import Referred, Surroundings, Unreadable, read_text

LARGEST_TOKEN_FILE = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,512}")
"""A scope-token of RFC 6749 section 3.3."""
_CERTIFICATE_FIX = "write file:PATH of a PEM file that holds both, the key without a pass phrase"


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that does not show itself."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key, both PEM."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)


class SecretText(Kind):
    """A secret, which is best supplied by a reference."""

    def accepts(self) -> str:
        return "a text, best as a reference"

    def read(self, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or not value.strip():
            raise unfit("must be a text that is not empty", "write env:NAME or file:PATH")
        return Secret(str(value))


class CertificatePem(Kind):
    """A certificate and its key in one text."""

    def accepts(self) -> str:
        return "`file:` and the path of a PEM file with certificate and private key"

    def read(self, value: object) -> Certificate:
        if isinstance(value, Certificate):
            return value
        if not isinstance(value, str) or not value.strip():
            raise unfit("must be a certificate and its private key", _CERTIFICATE_FIX)
        if "-----BEGIN" not in value and not isinstance(value, Referred):
            raise unfit("must be the content of a PEM file, not its path", _CERTIFICATE_FIX)
        return _parsed(value.encode())


def _parsed(pem: bytes) -> Certificate:
    # Here, because most gateways have no certificate and need not wait for this.
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see above

    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise unfit("holds no certificate", _CERTIFICATE_FIX) from None
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise unfit("holds no private key that can be read", _CERTIFICATE_FIX) from None
    if not isinstance(key, rsa.RSAPrivateKey):  # MSAL signs with PS256
        raise unfit("holds a private key that is not RSA, which Entra wants", "make an RSA key")
    own = [one for one in certificates if one.public_key() == key.public_key()]
    if not own:
        raise unfit("holds a certificate that does not belong to its private key", _CERTIFICATE_FIX)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(own[0].public_bytes(serialization.Encoding.PEM).decode(), private.decode())


class TokenFile(Kind):
    """The path of a file that somebody keeps a token in. Without `Surroundings` it is taken as it is."""

    def accepts(self) -> str:
        return "the path of a file"

    def read(self, value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            raise unfit(
                "must be the path of a file, not {value}",
                "write one such as /var/run/secrets/azure/tokens/azure-identity-token",
            )
        return Path(value)

    def read_among(self, value: object, info: ValidationInfo) -> Path:
        path = self.read(value)
        if not isinstance(info.context, Surroundings):
            return path
        path = (info.context.directory / path).absolute()
        try:
            read_text(path, LARGEST_TOKEN_FILE)
        except Unreadable as error:
            raise unfit(
                f"{{value}} {error}", "name a readable file; a relative path starts at this file"
            ) from None
        return path

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read_among)


class Identifier(Kind):
    """A tenant or an application: an id, or a domain name."""

    def __init__(self, what: str) -> None:
        self.what = what

    def accepts(self) -> str:
        return self.what

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise unfit(f"must be {self.what}, not {{value}}", "copy it from the app registration's overview")
        return str(value)


class AuthorityUrl(Kind):
    """Where tokens are to be had: a URL with the tenant as its path."""

    _url = Url(path=True, example="https://login.microsoftonline.com/contoso.com")

    def accepts(self) -> str:
        return "an https URL with the tenant as its path"

    def read(self, value: object) -> str:
        url = str(self._url.read(value))
        if not url.startswith("https://"):
            raise unfit("must be https, not {value}", "write it with https://")
        if not url.partition("://")[2].partition("/")[2]:
            raise unfit("must end with a tenant, not {value}", f"write one such as {self._url.example}")
        return url


class Scope(Kind):
    """What a token is to be good for."""

    def accepts(self) -> str:
        return "a scope"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not _SCOPE.fullmatch(value):
            raise unfit(
                "must be a scope without blanks, not {value}",
                "write one such as https://graph.microsoft.com/.default",
            )
        return str(value)
