"""What certificates and requests for them say, from their bytes (RFC 5280, RFC 8446 section 4.3.2). No I/O.

It must not judge a certificate: OpenSSL does that, and its words are kept.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from wsbook.facts import Certificate

__all__ = ["read_certificate", "requested_authorities"]

_NAMES_KEPT = 100
_AUTHORITIES_KEPT = 20
_EXTENSION_AUTHORITIES = 47  # certificate_authorities, RFC 8446 section 4.2.4
_SHOWN_ATTRIBUTES = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}  # 2.5.4.3, 2.5.4.10, 2.5.4.11


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate says; one that cannot be read keeps its fingerprint and the reason as subject."""
    from cryptography import x509

    fingerprint = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=certificate.subject.rfc4514_string()[:500],
            issuer=certificate.issuer.rfc4514_string()[:500],
            names=_names(certificate),
            not_before=_stamp(certificate.not_valid_before_utc),
            not_after=_stamp(certificate.not_valid_after_utc),
            key=_key(certificate),
            signature=_signature(certificate),
            authority=_authority(certificate),
            issuer_url=_issuer_url(certificate),
            fingerprint=fingerprint,
        )
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return Certificate(subject=f"(cannot be read: {str(error)[:200]})", issuer="", fingerprint=fingerprint)


def _extension(certificate: Any, kind: Any) -> Any:
    """Return the value of an extension, None when the certificate has none of that kind."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _names(certificate: Any) -> tuple[str, ...]:
    from cryptography import x509

    found = _extension(certificate, x509.SubjectAlternativeName) or ()
    return tuple(str(name.value)[:255] for name in found if isinstance(name, x509.DNSName | x509.IPAddress))[:_NAMES_KEPT]


def _authority(certificate: Any) -> bool | None:
    from cryptography import x509

    constraints = _extension(certificate, x509.BasicConstraints)
    return None if constraints is None else bool(constraints.ca)


def _issuer_url(certificate: Any) -> str:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    access = _extension(certificate, x509.AuthorityInformationAccess) or ()
    urls = (entry.access_location.value for entry in access if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS)
    return next((url[:300] for url in urls if isinstance(url, str)), "")


def _key(certificate: Any) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return "of an unknown kind"
    if curve := getattr(key, "curve", None):
        return f"EC {curve.name}"
    kind = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    size = getattr(key, "key_size", None)
    return f"{kind} {size}" if size else kind


def _signature(certificate: Any) -> str:
    oid = certificate.signature_algorithm_oid
    return str(getattr(oid, "_name", "") or oid.dotted_string)


def requested_authorities(version: str, body: bytes) -> tuple[str, ...]:
    """Return the names of the authorities in a CertificateRequest, as far as they can be read.

    version: the protocol agreed, such as "TLSv1.3". body: the message without its four bytes of type and length.
    """
    try:
        listed = _list_of_13(body) if version == "TLSv1.3" else _list_of_12(body, version)
        return tuple(_name(name) for name in _vectors(listed))[:_AUTHORITIES_KEPT]
    except (ValueError, IndexError):
        return ()


def _vector(data: bytes, position: int, width: int) -> tuple[bytes, int]:
    """Return (content, position behind it) of a vector with a length of so many bytes (RFC 8446 section 3.4)."""
    start = position + width
    size = int.from_bytes(data[position:start], "big")
    if start + size > len(data):
        raise ValueError("a vector is longer than its message")
    return data[start : start + size], start + size


def _vectors(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        content, position = _vector(data, position, 2)
        yield content


def _list_of_12(body: bytes, version: str) -> bytes:
    """Return certificate_authorities of RFC 5246 section 7.4.4; before TLS 1.2 there were no signature algorithms."""
    _, position = _vector(body, 0, 1)
    if version == "TLSv1.2":
        _, position = _vector(body, position, 2)
    return _vector(body, position, 2)[0]


def _list_of_13(body: bytes) -> bytes:
    _, position = _vector(body, 0, 1)
    extensions, position = _vector(body, position, 2)[0], 0
    while position < len(extensions):
        kind = int.from_bytes(extensions[position : position + 2], "big")
        content, position = _vector(extensions, position + 2, 2)
        if kind == _EXTENSION_AUTHORITIES:
            return _vector(content, 0, 2)[0]
    return b""


def _element(data: bytes, position: int) -> tuple[bytes, int]:
    """Return (content, position behind it) of one DER element (X.690 section 8.1)."""
    size, start = data[position + 1], position + 2
    if size & 0x80:
        width = size & 0x7F
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    if start + size > len(data):
        raise ValueError("an element is longer than what holds it")
    return data[start : start + size], start + size


def _elements(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        content, position = _element(data, position)
        yield content


def _name(der: bytes) -> str:
    """Return a distinguished name in short: common name, organisation and unit."""
    parts = []
    for relative in _elements(_element(der, 0)[0]):
        for attribute in _elements(relative):
            kind, value = list(_elements(attribute))[:2]
            if kind in _SHOWN_ATTRIBUTES:
                parts.append(f"{_SHOWN_ATTRIBUTES[kind]}={value.decode('utf-8', 'replace')[:100]}")
    return ",".join(parts)[:300] or "(no common name)"
