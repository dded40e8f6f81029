"""Whole chains, good and bad, shown by a real TLS listener and judged: which certificate is wrong."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from misbehaving import misbehaving

from wsbook.attempt import Attempt
from wsbook.evidence import Evidence
from wsbook.finding import Finding
from wsbook.probes.upgrade import probe_upgrade
from wsbook.rules import judge
from wsbook.target import parse_target

AIA = "http://ca.example/middle.crt"


class Issued(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def name_of(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def issue(
    common: str, by: Issued | None = None, *, days: int = 90, names: tuple[str, ...] = (), url: str = "", like: Issued | None = None
) -> Issued:
    """Issue a certificate; by None makes it its own issuer. days: until its end, negative is past. like: has the key of this one."""
    key = like.key if like else ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name_of(common)).issuer_name(by.certificate.subject if by else name_of(common))
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    if url:
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


ROOT = issue("Trusted Root")
OLD_ROOT = issue("Old Root", days=-30)
CROSS = issue("Trusted Root", OLD_ROOT, days=-10, like=ROOT)
MIDDLE = issue("Middle", ROOT)
OLD_MIDDLE = issue("Old Middle", ROOT, days=-3)
OTHER_MIDDLE = issue("Other Middle", ROOT)
FOREIGN = issue("Company Root")
FOREIGN_MIDDLE = issue("Company Middle", FOREIGN)


def leaf(by: Issued | None, **more: object) -> Issued:
    return issue("leaf", by, **{"names": ("localhost",), **more})  # type: ignore[arg-type]


CHAINS: list[tuple[str, list[Issued], str, str]] = [
    ("healthy", [leaf(MIDDLE), MIDDLE], "", ""),
    ("leaf expired", [leaf(MIDDLE, days=-7), MIDDLE], "tls.cert-expired", "expired on"),
    ("intermediate expired", [leaf(OLD_MIDDLE), OLD_MIDDLE], "tls.cert-expired", "sends along the issuer Old Middle, which expired"),
    ("cross-signed root expired, unused", [leaf(MIDDLE), MIDDLE, CROSS], "", ""),
    ("another name", [leaf(MIDDLE, names=("other.example", "www.other.example")), MIDDLE], "tls.hostname-mismatch", "other.example"),
    ("its own issuer", [leaf(None)], "tls.self-signed", "issued by CN=leaf"),
    ("private authority", [leaf(FOREIGN_MIDDLE), FOREIGN_MIDDLE, FOREIGN], "tls.self-signed", "leads to Company Root"),
    ("private authority, root not sent", [leaf(FOREIGN_MIDDLE), FOREIGN_MIDDLE], "tls.self-signed", "Company Root is unknown here"),
    ("no intermediate", [leaf(MIDDLE)], "tls.incomplete-chain", "that of its issuer Middle is missing"),
    ("no intermediate, of a public authority", [leaf(MIDDLE, url=AIA)], "tls.incomplete-chain", f"offered at {AIA}"),
    ("wrong intermediate", [leaf(MIDDLE), OTHER_MIDDLE], "tls.incomplete-chain", "do not belong together: Middle is missing"),
]


async def judged(chain: list[Issued], folder: Path) -> list[Finding]:
    (folder / "ca.pem").write_bytes(ROOT.pem)
    (folder / "chain.pem").write_bytes(b"".join(one.pem for one in chain))
    key = chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    async with misbehaving(context=context) as server:
        url = server.url("/good").replace("127.0.0.1", "localhost")
        seen = await probe_upgrade(Attempt(url=url, address="127.0.0.1", ca_file=str(folder / "ca.pem"), timeout_s=1.0), step="1.3")
    assert seen.facts.tls.chain_length == len(chain)  # type: ignore[union-attr]
    return list(judge(Evidence(parse_target(url), [seen]))[0])


@pytest.mark.parametrize(("chain", "slug", "words"), [row[1:] for row in CHAINS], ids=[row[0] for row in CHAINS])
async def test_chains(tmp_path: Path, chain: list[Issued], slug: str, words: str) -> None:
    roots = [finding for finding in await judged(chain, tmp_path) if finding.root]
    assert [finding.cause for finding in roots][:1] == ([slug] if slug else [])
    assert not slug or words in roots[0].summary


async def test_an_expired_root_that_is_sent_along_is_told(tmp_path: Path) -> None:
    told = [finding for finding in await judged([leaf(MIDDLE), MIDDLE, CROSS], tmp_path) if finding.cause == "tls.cert-expired"]
    assert "the chain holds Trusted Root, which expired on" in told[0].summary
