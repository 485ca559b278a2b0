"""The extensions that every certificate of an authority has: RFC 5280 wants them, and Python does since 3.13
(`ssl.VERIFY_X509_STRICT`).
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def of_authority(builder: x509.CertificateBuilder, own: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Of the authority's own certificate."""
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
    )


def issued(builder: x509.CertificateBuilder, by: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Of one that it issued."""
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by), critical=False)
