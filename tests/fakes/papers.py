"""Certificates for both ends of a caller's connection, from authorities that nobody trusts but the test.

house = Papers(tmp_path, "house")
server = house.issue("gateway", addresses=["127.0.0.1"])
client = house.issue("billing")
"""

import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakes.extensions import issued, of_authority

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Paper:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Papers:
    """An authority."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {name}")])
        self._prefix = name
        self._issued = 0
        root = _builder(self._name, self._name, self._key.public_key(), 30.0)
        root = of_authority(root, self._key.public_key())
        self.file = folder / f"{name}-ca.pem"
        self.file.write_bytes(_pem(root.sign(self._key, hashes.SHA256())))

    def issue(
        self,
        name: str,
        *,
        addresses: Sequence[str] = (),
        uris: Sequence[str] = (),
        hosts: Sequence[str] = (),
        days: float = 30.0,
    ) -> Paper:
        """`name`: the common name, or empty for no subject; `days`: until its end, negative where that is past."""
        self._issued += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        builder = issued(_builder(subject, self._name, key.public_key(), days), self._key.public_key())
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address(address)) for address in addresses]
        names += [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(host) for host in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not name)
        stem = f"{self._prefix}-{self._issued}"
        paper = Paper(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        paper.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        paper.key.write_bytes(private(key))
        return paper

    def client(self, paper: Paper | None = None) -> ssl.SSLContext:
        """The context of a client that trusts this authority, and shows `paper`."""
        context = ssl.create_default_context(cafile=str(self.file))
        context.set_alpn_protocols(["h2", "http/1.1"])
        if paper is not None:
            context.load_cert_chain(paper.certificate, paper.key)
        return context


def private(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    protection = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 60 * DAY)
        .not_valid_after(now + dt.timedelta(days=days))
    )
