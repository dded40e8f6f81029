"""What certificates and CertificateRequests say, and that broken ones only say less."""

import trustme
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from wsbook.wire.certificates import read_certificate, requested_authorities


def der_name(**parts: str) -> bytes:
    """Return a distinguished name in DER, made by another program."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    kinds = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "C": NameOID.COUNTRY_NAME}
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in parts.items()]).public_bytes()


def vector(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


NAMES = vector(der_name(C="DE", O="Example GmbH", CN="Example CA 1")) + vector(der_name(O="x" * 60, CN="y" * 60))
OVER_13 = vector(b"", 1) + vector(b"\x00\x0d" + vector(b"\x00\x02\x04\x03") + b"\x00\x2f" + vector(vector(NAMES)))
OVER_12 = vector(b"\x01\x40", 1) + vector(b"\x04\x03") + vector(NAMES)
OVER_11 = vector(b"\x01\x40", 1) + vector(NAMES)
EXPECTED = ("O=Example GmbH,CN=Example CA 1", f"O={'x' * 60},CN={'y' * 60}")


def test_authorities_of_every_version() -> None:
    assert requested_authorities("TLSv1.3", OVER_13) == EXPECTED
    assert requested_authorities("TLSv1.2", OVER_12) == EXPECTED
    assert requested_authorities("TLSv1.1", OVER_11) == EXPECTED


def test_no_authorities_named() -> None:
    assert requested_authorities("TLSv1.3", vector(b"", 1) + vector(b"")) == ()
    assert requested_authorities("TLSv1.2", vector(b"\x01", 1) + vector(b"") + vector(b"")) == ()


@given(st.sampled_from(["TLSv1.2", "TLSv1.3", ""]), st.binary(max_size=200))
def test_a_broken_request_is_no_error(version: str, body: bytes) -> None:
    assert isinstance(requested_authorities(version, body), tuple)


@given(st.sampled_from([("TLSv1.3", OVER_13), ("TLSv1.2", OVER_12)]), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_request_is_no_error(request: tuple[str, bytes], position: int, value: int) -> None:
    version, body = request
    place = position % len(body)
    assert len(requested_authorities(version, body[:place] + bytes([value]) + body[place + 1 :])) <= 20


def test_a_certificate() -> None:
    authority = trustme.CA(organization_name="Example")
    leaf = authority.issue_cert("shop.example", "192.0.2.1", "*.shop.example")
    one = read_certificate(_der(leaf.cert_chain_pems[0].bytes()))
    root = read_certificate(_der(authority.cert_pem.bytes()))
    assert one.names == ("shop.example", "192.0.2.1", "*.shop.example")
    assert (one.issuer, one.authority, one.issuer_url) == (root.subject, False, "")
    assert root.authority is True
    assert one.not_after.endswith("Z")


@given(st.binary(max_size=300))
def test_no_certificate(data: bytes) -> None:
    found = read_certificate(data)
    assert found.subject.startswith("(cannot be read")
    assert len(found.fingerprint) == 64


def _der(pem: bytes) -> bytes:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
