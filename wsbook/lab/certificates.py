"""Certificates of the lab, good and bad. Knows nothing of proxies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from wsbook.errors import UsageError

__all__ = ["write_certificate", "write_resigned"]

_NAMES = ("localhost", "127.0.0.1", "::1")


def write_certificate(kind: str, folder: Path) -> str:
    """Write cert.pem, key.pem and both as server.pem into the folder; return the path of the CA file.

    kind: valid, expired, other-name, self-signed (the CA file is empty text: nobody vouches for it), no-intermediate.

    Raises:
        UsageError: trustme is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        raise UsageError("the lab with TLS needs trustme; install: pip install 'wsbook[lab]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "self-signed":
        return _write_self_signed(folder)
    now = datetime.now(UTC)
    authority = trustme.CA(organization_name="Ticker test authority")
    issuer = authority.create_child_ca() if kind == "no-intermediate" else authority
    names = ("ticker.example",) if kind == "other-name" else _NAMES
    begins, ends = (
        (now - timedelta(days=97), now - timedelta(days=7)) if kind == "expired" else (now - timedelta(days=1), now + timedelta(days=90))
    )
    leaf = issuer.issue_cert(*names, common_name=names[0], not_before=begins, not_after=ends)
    chain = leaf.cert_chain_pems[:1] if kind == "no-intermediate" else leaf.cert_chain_pems
    _write(folder, b"".join(pem.bytes() for pem in chain), leaf.private_key_pem.bytes())
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return str(folder / "ca.pem")


def write_resigned(folder: Path) -> str:
    """Write the certificate that an inspecting firewall would show for the lab's names; return the path of the file with its key."""
    import trustme

    authority = trustme.CA(organization_name="Fortinet", organization_unit_name="Certificate Authority")
    leaf = authority.issue_cert(*_NAMES, common_name=_NAMES[0])
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes())
    return str(folder / "server.pem")


def _write(folder: Path, chain: bytes, key: bytes) -> None:
    for name, content in (("cert.pem", chain), ("key.pem", key), ("server.pem", chain + key)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)


def _write_self_signed(folder: Path) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=90))
    certificate = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    _write(
        folder,
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return ""
