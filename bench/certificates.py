"""A certificate for 127.0.0.1 from an authority of its own, for both sides of every proxy: P-256, as most have now."""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.machine import HOST

DAY = dt.timedelta(days=1)
NAME = "localhost"


@dataclass(frozen=True, slots=True)
class Papers:
    """Files in PEM."""

    authority: Path
    certificate: Path
    key: Path
    both: Path
    """Key and certificate, for programs that want them in one."""


def issue(folder: Path) -> Papers:
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench authority")])
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address(HOST))])
    leaf = (
        _builder(subject, authority_name, key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = leaf.public_bytes(serialization.Encoding.PEM)
    papers = Papers(*(folder / name for name in ("ca.pem", "cert.pem", "key.pem", "both.pem")))
    papers.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    papers.certificate.write_bytes(shown)
    papers.key.write_bytes(secret)
    papers.both.write_bytes(secret + shown)
    return papers


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(tz=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
