"""What a TLS listener accepts, against listeners of OpenSSL with other settings."""

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from misbehaving import misbehaving, serving

from wsbook.attempt import OTHER_PORT, Attempt
from wsbook.facts import TlsFacts, TlsScanFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import tls_scan
from wsbook.probes.tls_scan import probe_certificate, probe_tls_scan
from wsbook.probes.upgrade import probe_upgrade


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Test authority")


def listener(authority: trustme.CA, **settings: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name, value in settings.items():
            setattr(context, name, value)
    return context


async def scan(url: str, **fields: object) -> TlsScanFacts:
    seen = await probe_tls_scan(Attempt(**{"url": url, "timeout_s": 1.0, **fields}), step="1.3")  # type: ignore[arg-type]
    assert isinstance(seen.facts, TlsScanFacts)
    return seen.facts


def accepted(facts: TlsScanFacts) -> list[str]:
    return [trial.version for trial in facts.versions if trial.accepted]


V = ssl.TLSVersion


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (V.TLSv1_2, V.TLSv1_3, ["TLSv1.2", "TLSv1.3"]),
        (V.TLSv1_2, V.TLSv1_2, ["TLSv1.2"]),
        (V.TLSv1_3, V.TLSv1_3, ["TLSv1.3"]),
        (V.TLSv1, V.TLSv1_1, ["TLSv1.0", "TLSv1.1"]),
    ],
)
async def test_versions(authority: trustme.CA, least: V, most: V, expected: list[str]) -> None:
    context = listener(authority, minimum_version=least, maximum_version=most)
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with misbehaving(context=context) as server:
        facts = await scan(server.url("/good"))
        assert server.requests == []
    assert accepted(facts) == expected
    assert all(trial.cipher for trial in facts.versions if trial.accepted)
    assert all(trial.accepted is not None for trial in facts.versions)


async def test_ciphers_that_clients_left_behind(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA).configure_cert(context)
    context.maximum_version = V.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    async with misbehaving(context=context) as server:
        facts = await scan(server.url("/good"))
        seen = await probe_upgrade(Attempt(url=server.url("/good"), verify=False, timeout_s=1.0), step="1.3")
    assert [(trial.version, trial.cipher) for trial in facts.versions if trial.accepted] == [("TLSv1.2", "AES128-SHA")]
    assert seen.failure is not None
    assert seen.failure.stage == "tls"


async def test_a_version_that_this_machine_cannot_offer_is_not_known(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tls_scan._context
    forbidden = lambda version, alpn=(): None if version is V.TLSv1 else real(version, alpn)  # noqa: E731
    monkeypatch.setattr(tls_scan, "_context", forbidden)
    async with misbehaving(context=listener(authority)) as server:
        facts = await scan(server.url("/good"))
    assert [trial.accepted for trial in facts.versions] == [None, False, True, True]


@pytest.mark.parametrize("most", [V.TLSv1_2, V.TLSv1_3])
@pytest.mark.parametrize(
    ("mode", "asked", "refused"), [(ssl.CERT_NONE, False, False), (ssl.CERT_OPTIONAL, True, False), (ssl.CERT_REQUIRED, True, True)]
)
async def test_client_certificates(authority: trustme.CA, most: V, mode: ssl.VerifyMode, asked: bool, refused: bool) -> None:
    async with misbehaving(context=listener(authority, maximum_version=most, verify_mode=mode)) as server:
        facts = await scan(server.url("/good"))
    assert (facts.client_certificate, bool(facts.refused_after)) == (asked, refused)


async def test_without_the_hook_it_is_not_known(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_scan, "_watch", lambda context: tls_scan._Request())
    async with misbehaving(context=listener(authority, verify_mode=ssl.CERT_OPTIONAL)) as server:
        facts = await scan(server.url("/good"))
    assert facts.client_certificate is None
    assert facts.tls is not None


@pytest.mark.parametrize("greets", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_a_listener_without_tls_leaves_everything_open(greets: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.write(greets)

    async with serving(serve) as port:
        facts = await scan(f"wss://127.0.0.1:{port}/")
    assert accepted(facts) == []
    assert facts.client_certificate is None


async def test_nobody_listens() -> None:
    facts = await scan("wss://127.0.0.1:1/")
    assert [trial.accepted for trial in facts.versions] == [None] * 4


async def test_a_plain_endpoint_is_not_scanned() -> None:
    seen = await probe_tls_scan(Attempt(url="ws://127.0.0.1/"), step="1.3")
    assert seen.outcome is Outcome.NOT_RUN


async def test_the_whole_chain_as_sent(authority: trustme.CA, tmp_path: Path) -> None:
    child = authority.create_child_ca()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    child.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with misbehaving(context=context) as server:
        seen = await probe_upgrade(Attempt(url=server.url("/good"), ca_file=str(tmp_path / "ca.pem"), timeout_s=1.0), step="1.3")
    facts = seen.facts.tls  # type: ignore[union-attr]
    assert isinstance(facts, TlsFacts)
    leaf, middle = facts.chain
    assert (leaf.names, leaf.issuer, leaf.key, leaf.authority) == (("127.0.0.1",), middle.subject, "EC secp256r1", False)
    assert (middle.authority, middle.signature, len(middle.fingerprint)) == (True, "ecdsa-with-SHA256", 64)
    assert facts.chain_length == 2


async def test_the_certificate_of_another_port(authority: trustme.CA) -> None:
    async with misbehaving(context=listener(authority)) as server:
        seen = await probe_certificate(Attempt(url=server.url("/"), timeout_s=1.0), step="1.3", label=OTHER_PORT)
    failed: Observation = await probe_certificate(Attempt(url="wss://127.0.0.1:1/", timeout_s=1.0), step="1.3", label=OTHER_PORT)
    assert isinstance(seen.facts, TlsFacts)
    assert seen.source.changed == (OTHER_PORT,)
    assert seen.facts.names == ("localhost", "127.0.0.1")
    assert failed.failure is not None
    assert failed.failure.reason is Reason.REFUSED
