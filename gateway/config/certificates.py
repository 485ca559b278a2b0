"""Files of certificates: those that the gateway trusts, and the one that it shows with the key to it.

Rules: a file is read while the configuration is read, so that a wrong path or a file without certificates is told
there, with its line, and not by the first call. What is kept is the path, absolute, never the content: whoever uses
a file reads it again, and what is wrong with it then is said in the same words.
"""

import ssl
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from gateway.config.kinds import Kind, unfit
from gateway.config.sources import Surroundings, Unreadable, read_text

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LARGEST_BUNDLE = 8 * 1024 * 1024
"""Bytes; the bundle of every public authority is about a quarter of a megabyte."""

_FIND = "name a readable file; a relative path starts at this file"


class Unusable(Exception):
    """A file does not hold what it should; the message says why, without its path."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class PemFile(Kind):
    """The path of a PEM file. Without `Surroundings` as validation context it is taken as it is."""

    def accepts(self) -> str:
        return "the path of a PEM file"

    def read(self, value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            raise unfit(
                "must be the path of a PEM file, not {value}", "write one such as /etc/ssl/private-ca.pem"
            )
        return Path(value)

    def read_among(self, value: object, info: ValidationInfo) -> Path:
        path = self.read(value)
        if not isinstance(info.context, Surroundings):
            return path
        path = (info.context.directory / path).absolute()
        try:
            self.check(path)
        except Unusable as error:
            raise unfit(f"{{value}} {error}", error.fix) from None
        return path

    @abstractmethod
    def check(self, path: Path) -> object:
        """Raises `Unusable`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read_among)


class CertificateFile(PemFile):
    """Certificate authorities to trust."""

    def check(self, path: Path) -> str:
        """The text of the file, as `ssl` takes it."""
        # What is not ASCII can only be a comment.
        text = _text(path).encode("ascii", "replace").decode("ascii")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError):
            raise Unusable(
                "holds no certificates", "name a PEM file with the certificates to trust"
            ) from None
        return text


class ChainFile(PemFile):
    """The certificate that the gateway shows, and those between it and the authority."""

    def check(self, path: Path) -> "Certificate":
        """The first certificate of the file."""
        from cryptography import x509  # noqa: PLC0415 - most gateways show no certificate and need not wait for it

        try:
            return x509.load_pem_x509_certificates(_text(path).encode())[0]
        except ValueError:
            raise Unusable(
                "holds no certificate", "name a PEM file with the certificate first, then its chain"
            ) from None


class KeyFile(PemFile):
    """The private key of a certificate."""

    def check(self, path: Path) -> object:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

        try:
            return load_pem_private_key(_text(path).encode(), None)
        except TypeError:
            raise Unusable(
                "is encrypted", "store the key without a passphrase, readable for the gateway only"
            ) from None
        except ValueError:
            raise Unusable(
                "holds no private key", "name the PEM file of the certificate's private key"
            ) from None


def check_pair(certificate_file: Path, private_key_file: Path) -> None:
    """Raises `Unusable` where a TLS server cannot be had from the two."""
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate_file, private_key_file)


def load_pair(context: ssl.SSLContext, certificate_file: Path, private_key_file: Path) -> None:
    """Raises `Unusable`."""
    ChainFile().check(certificate_file)
    KeyFile().check(private_key_file)
    try:
        # Should the key have become an encrypted one this very moment, OpenSSL must not ask on the terminal.
        context.load_cert_chain(certificate_file, private_key_file, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            raise Unusable(
                "is not the key of the certificate", "name the key that the certificate was made for"
            ) from None
        word = (error.reason or "unreadable").lower().replace("_", " ")
        raise Unusable(f"cannot be used ({word})", "make a new key and certificate") from None
    except OSError as error:  # one of them went away this very moment
        raise Unusable(f"cannot be read ({error.strerror})", _FIND) from None


def ends_at(certificate_file: Path) -> float:
    """When the certificate expires, in seconds since 1970. Raises `Unusable`."""
    return ChainFile().check(certificate_file).not_valid_after_utc.timestamp()


def _text(path: Path) -> str:
    try:
        return read_text(path, LARGEST_BUNDLE)
    except Unreadable as error:
        raise Unusable(str(error), _FIND) from None
