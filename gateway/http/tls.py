"""TLS on the callers' listener: what is spoken, with which certificate, and whose certificates are taken.

Rules:
1. TLS 1.2 and later, ciphers with forward secrecy and authentication, HTTP/1.1 by ALPN, no renegotiation.
2. With `client_ca_file` a caller without a certificate of those authorities gets no connection. They are the whole
   trust: the system's authorities are not asked.
3. A reload makes a new context or changes nothing. Connections that are open go on with the old one; new ones get
   the new one, and sessions of the old one are not resumed, so that who is no longer trusted comes in no more.

What this module must not do: accept connections.
"""

import ssl
from pathlib import Path

from gateway.config import Tls
from gateway.config.certificates import CertificateFile, Unusable, ends_at, load_pair

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of 1.3 are all right."""


class TlsUnusable(Exception):
    """A file cannot be used; the message names it and says why."""


class CallerTls:
    """The TLS context of the moment."""

    def __init__(self, files: Tls) -> None:
        """Raises `TlsUnusable`."""
        self.context = _context(files)
        self.ends_at = _ends_at(files)
        """When the certificate expires, in seconds since 1970."""

    def reload(self, files: Tls) -> None:
        """Use these files, as they are now. Raises `TlsUnusable`, and then goes on with what it had."""
        context, until = _context(files), _ends_at(files)
        self.context, self.ends_at = context, until


def _context(files: Tls) -> ssl.SSLContext:
    certificate, key = _pair(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        load_pair(context, certificate, key)
    except Unusable as error:
        raise TlsUnusable(f"{certificate} with {key}: the private key {error}; {error.fix}") from None
    if files.client_ca_file is not None:
        try:
            trusted = CertificateFile().check(files.client_ca_file)
        except Unusable as error:
            raise TlsUnusable(f"{files.client_ca_file} {error}; {error.fix}") from None
        context.load_verify_locations(cadata=trusted)
        context.verify_flags |= (
            ssl.VERIFY_X509_PARTIAL_CHAIN
        )  # an intermediate authority may be all that is trusted
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _pair(files: Tls) -> tuple[Path, Path]:
    if files.certificate_file is None or files.private_key_file is None:
        raise TlsUnusable("listen.tls: a certificate and its private key go together")
    return files.certificate_file, files.private_key_file


def _ends_at(files: Tls) -> float:
    return ends_at(_pair(files)[0])
