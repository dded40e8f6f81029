"""TLS that ends in the relay, for a browser of our own: a throw-away certificate that only this browser is told to accept.

The target's own certificate is checked by the relay, as a browser with the given CA would, so that a bad one does not pass unseen.
"""

import base64
import hashlib
import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from wsbook.probes.relay import Ending
from wsbook.probes.trust import trusting

__all__ = ["own_ending"]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(host: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wsbook relay")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=7))
    return builder.add_extension(x509.SubjectAlternativeName([_name(host)]), critical=False).sign(key, hashes.SHA256())


def own_ending(host: str, ca_file: str = "", *, verify: bool = True) -> tuple[Ending, str]:
    """Return how TLS for a host ends and begins anew, and the pin (base64 of SHA-256 of the public key) that a browser has to accept.

    HTTP/1.1 only is spoken on both sides, so that every upgrade is a request of its own. The key leaves no trace on the disk.

    Raises:
        OSError: ca_file cannot be read.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pin = hashlib.sha256(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="wsbook-relay-") as folder:
        both = Path(folder) / "both.pem"
        both.touch(0o600)
        both.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + _certificate(host, key).public_bytes(Encoding.PEM)
        )
        outer.load_cert_chain(both)
    inner = trusting(ca_file)
    if not verify:
        inner.check_hostname, inner.verify_mode = False, ssl.CERT_NONE
    for context in (outer, inner):
        context.set_alpn_protocols(["http/1.1"])
    return Ending(outer=outer, inner=inner, server_name=host), base64.b64encode(pin).decode()
