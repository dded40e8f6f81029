"""Certificates, chains, listeners and HTTP/2: which defect it is, and what is no defect."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from observations import answer, failed, findings, roots, seen

from wsbook import attempt as labels
from wsbook.facts import Certificate, Http2Facts, TlsFacts, TlsScanFacts, VersionTrial
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation, Reason
from wsbook.target import parse_target

URL = "wss://shop.test:8443/ws"
TARGET = parse_target(URL)
NOW = datetime.now(UTC)
OLD, SOON, LATER = [(NOW + timedelta(days=days)).isoformat() for days in (-5, 3, 300)]
AIA = "http://ca.test/issuer.crt"


def certificate(subject: str, issuer: str, end: str = LATER, **more: Any) -> Certificate:
    return Certificate(subject=subject, issuer=issuer, not_before="2020-01-01T00:00:00Z", not_after=end, fingerprint=subject + end, **more)


LEAF = certificate("CN=shop.test", "CN=Middle", names=("shop.test",))
MIDDLE = certificate("CN=Middle", "CN=Root")
ROOT = certificate("CN=Root", "CN=Root")


def shown(code: int | None, *chain: Certificate, **more: Any) -> TlsFacts:
    leaf = chain[0]
    fields: dict[str, Any] = {"server_name": "shop.test", "version": "TLSv1.3", "subject": leaf.subject, "issuer": leaf.issuer}
    fields |= {"names": leaf.names, "not_before": leaf.not_before, "not_after": leaf.not_after}
    return TlsFacts(**fields | {"verify_code": code, "chain": chain, "chain_length": len(chain)} | more)


def refused(code: int, *chain: Certificate) -> Observation:
    return failed("tls", Reason.CERTIFICATE, tls=shown(code, *chain), url=URL)


def accepted(tls: TlsFacts | None = None, changed: str = "") -> Observation:
    return replaced(answer(101, url=URL, changed=changed), tls or shown(0, LEAF, MIDDLE))


def replaced(observation: Observation, tls: TlsFacts) -> Observation:
    from msgspec.structs import replace

    return replace(observation, facts=replace(observation.facts, tls=tls))  # type: ignore[type-var]


def about(slug: str, *observations: Observation) -> Finding | None:
    return next((found for found in findings(*observations, target=TARGET) if found.cause == slug), None)


def first(*observations: Observation) -> Finding:
    return next(found for found in findings(*observations, target=TARGET) if found.root)


@pytest.mark.parametrize(
    ("observation", "slug", "words"),
    [
        (refused(10, certificate("CN=shop.test", "CN=Middle", OLD), MIDDLE), "tls.cert-expired", f"shop.test:8443 expired on {OLD[:10]}"),
        (
            refused(10, LEAF, certificate("CN=Middle", "CN=Root", OLD)),
            "tls.cert-expired",
            "sends along the issuer Middle, which expired on",
        ),
        (refused(10, LEAF, MIDDLE, certificate("CN=Root", "CN=Older", OLD)), "tls.cert-expired", "sends along the issuer Root"),
        (refused(10, LEAF, MIDDLE), "tls.cert-expired", "none of the 2 that it sends: the trust store of this machine"),
        (refused(9, certificate("CN=shop.test", "CN=Root", LATER)), "tls.cert-expired", "is not valid before 2020-01-01"),
        (refused(62, certificate("CN=a", "CN=Root", names=("*.test",))), "tls.hostname-mismatch", "is for *.test"),
        (refused(62, certificate("CN=a", "CN=Root", names=("*.shop.test",))), "tls.hostname-mismatch", "not covered by its wildcard"),
        (refused(18, certificate("CN=me", "CN=me")), "tls.self-signed", "issued by CN=me"),
        (refused(19, LEAF, MIDDLE, ROOT), "tls.self-signed", "leads to Root, an authority that is not trusted"),
        (refused(20, LEAF), "tls.incomplete-chain", "its own certificate only; that of its issuer Middle is missing"),
        (refused(21, certificate("CN=s", "CN=Middle", issuer_url=AIA)), "tls.incomplete-chain", f"(offered at {AIA})"),
        (refused(20, LEAF, ROOT), "tls.incomplete-chain", "do not belong together: Middle is missing"),
        (refused(20, LEAF, MIDDLE), "tls.self-signed", "Root is unknown here"),
        (
            refused(20, LEAF, certificate("CN=Middle", "CN=Root", issuer_url=AIA)),
            "tls.incomplete-chain",
            "none of this machine's authorities",
        ),
        (refused(99, LEAF), "tls.self-signed", "is not accepted"),
    ],
)
def test_which_certificate_is_wrong(observation: Observation, slug: str, words: str) -> None:
    found = first(observation)
    assert found.cause == slug
    assert words in found.summary
    assert [one.cause for one in findings(observation) if one.verdict is Verdict.FAULT and one.cause.startswith("tls.")] == [slug]


def test_an_address_and_deep_names_say_why() -> None:
    address = failed("tls", Reason.CERTIFICATE, tls=shown(64, LEAF), url="wss://192.0.2.1:8443/ws")
    deep = failed("tls", Reason.CERTIFICATE, tls=shown(62, certificate("CN=a", "CN=b", names=("*.test",))), url="wss://a.shop.test/ws")
    assert "an address needs an IP entry" in first(address).summary
    assert "a wildcard covers one label" in first(deep).summary


def test_port_443_shows_the_renewed_one() -> None:
    old, new = certificate("CN=shop.test", "CN=Middle", OLD, names=("shop.test",)), LEAF
    beside = seen(shown(None, new), probe="tls", changed=labels.OTHER_PORT)
    other = seen(shown(None, certificate("CN=x", "CN=y", names=("other.test",))), probe="tls", changed=labels.OTHER_PORT)
    assert "this process still holds the old one" in first(refused(10, old), beside).summary
    assert "port 443" not in first(refused(10, old), other).summary
    assert any("port 443 shows CN=x, issued by CN=y" in one.text for one in first(refused(10, old), other).evidence)
    assert any("port 443 shows the same" in one.text for one in first(refused(18, new), beside).evidence)


@pytest.mark.parametrize(
    ("tls", "verdict"),
    [
        (shown(0, LEAF, MIDDLE), Verdict.CLEAR),
        (shown(0, certificate("CN=shop.test", "CN=Middle", SOON)), Verdict.UNKNOWN),
        (shown(0, LEAF, certificate("CN=Middle", "CN=Root", OLD)), Verdict.UNKNOWN),
    ],
)
def test_an_accepted_certificate(tls: TlsFacts, verdict: Verdict) -> None:
    found = about("tls.cert-expired", accepted(tls))
    assert found is not None
    assert found.verdict is verdict
    assert roots(accepted(tls), target=TARGET) == []


# Alerts


def alert(words: str, url: str = URL, stage: str = "tls") -> Observation:
    return failed(stage, Reason.TLS_ALERT, message=f"the TLS handshake failed after 3.1 ms: {words}", url=url)


@pytest.mark.parametrize(
    ("observation", "slug"),
    [
        (alert("tlsv1 alert protocol version"), "tls.version-or-cipher-mismatch"),
        (alert("sslv3 alert handshake failure"), "tls.version-or-cipher-mismatch"),
        (alert("dh key too small"), "tls.version-or-cipher-mismatch"),
        (alert("tlsv1 alert no application protocol"), "tls.alpn-h2-negotiated"),
        (alert("tlsv13 alert certificate required", stage="upgrade"), "tls.client-cert-requested"),
        (alert("sslv3 alert bad certificate"), "tls.client-cert-requested"),
        (alert("tlsv1 unrecognized name"), "tls.hostname-mismatch"),
        (alert("tlsv1 unrecognized name", url="wss://192.0.2.1/ws"), "tls.sni-missing"),
        (alert("tlsv1 alert internal error", url="wss://[2001:db8::1]:8443/ws"), "tls.sni-missing"),
    ],
)
def test_alerts(observation: Observation, slug: str) -> None:
    assert first(observation).cause == slug


def plain(status: int, url: str = "ws://shop.test:8443/ws", body: str = "") -> Observation:
    return answer(status, url=url, changed=labels.OTHER_SCHEME, body=body)


@pytest.mark.parametrize("reason", [Reason.CLOSED, Reason.RESET, Reason.TIMEOUT])
@pytest.mark.parametrize(
    ("more", "confidence"),
    [
        ([plain(101)], 0.93),
        ([plain(404)], 0.93),
        ([plain(400, body="Client sent an HTTP request to an HTTPS server.")], 0.4),
        ([plain(301, url="ws://shop.test/ws")], 0.4),
        ([], 0.4),
    ],
)
def test_no_tls_at_that_port(reason: Reason, more: list[Observation], confidence: float) -> None:
    found = first(failed("tls", reason, url=URL), *more)
    assert (found.cause, found.confidence) == ("endpoint.tls-to-plain-port", confidence)


@pytest.mark.parametrize(("label", "slug"), [(labels.PAGE_SERVER_NAME, "tls.sni-missing"), (labels.NO_ALPN, "tls.alpn-h2-negotiated")])
@pytest.mark.parametrize("reason", [Reason.TLS_ALERT, Reason.CLOSED, Reason.RESET])
def test_what_one_change_cures(label: str, slug: str, reason: Reason) -> None:
    broken = failed("tls", reason, url=URL)
    assert (first(broken, accepted(changed=label)).cause, first(broken, accepted(changed=label)).confidence) == (slug, 0.95)
    assert first(broken, failed("tls", reason, url=URL, changed=label)).confidence < 0.9


def test_a_certificate_that_is_required_after_the_handshake_is_no_fault_of_alpn() -> None:
    late = alert("tlsv13 alert certificate required", stage="upgrade")
    variant = replaced(failed("upgrade", Reason.TLS_ALERT, url=URL, changed=labels.NO_ALPN), shown(None, LEAF))
    assert roots(late, variant, target=TARGET) == ["tls.client-cert-requested"]


# The listener


def scan(accepts: str, *, cipher: str = "AES128-SHA", asks: bool | None = False, refused_after: str = "", unknown: str = "") -> Observation:
    names = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    versions = tuple(
        VersionTrial(version=name, accepted=None if name[4:] in unknown.split() else name[4:] in accepts.split(), cipher=cipher)
        for name in names
    )
    facts = TlsScanFacts(
        host="shop.test", port=8443, versions=versions, client_certificate=asks, refused_after=refused_after, tls=shown(None, LEAF)
    )
    return seen(facts, probe="tls-scan")


HANDSHAKE = alert("sslv3 alert handshake failure")
CLOSED = failed("tls", Reason.CLOSED, url=URL)


@pytest.mark.parametrize(
    ("observations", "verdict", "words"),
    [
        ([HANDSHAKE, scan("1.0 1.1")], Verdict.FAULT, "speaks v1.0 and v1.1 only"),
        ([HANDSHAKE, scan("1.2")], Verdict.FAULT, "ciphers that clients no longer offer: AES128-SHA in v1.2"),
        ([CLOSED, scan("1.0")], Verdict.FAULT, "speaks v1.0 only"),
        ([alert("tlsv1 alert no application protocol"), scan("1.2 1.3")], None, ""),
        ([accepted(), scan("1.2 1.3")], Verdict.CLEAR, "accepts v1.2 and v1.3"),
        ([accepted(), scan("1.3", unknown="1.0 1.1")], Verdict.CLEAR, "accepts v1.3"),
        ([accepted(), scan("", unknown="1.0 1.1 1.2 1.3")], Verdict.UNKNOWN, "no TLS version could be tried"),
        ([accepted()], None, ""),
    ],
)
def test_versions(observations: list[Observation], verdict: Verdict | None, words: str) -> None:
    found = about("tls.version-or-cipher-mismatch", *observations)
    assert (found.verdict if found else None) is verdict
    assert found is None or words.replace("v1", "TLSv1") in found.summary
    assert (roots(*observations, target=TARGET)[:1] == ["tls.version-or-cipher-mismatch"]) is (verdict is Verdict.FAULT)


@pytest.mark.parametrize(
    ("observations", "verdict", "confidence"),
    [
        ([accepted(), scan("1.3", asks=True)], Verdict.FAULT, 0.7),
        ([CLOSED, scan("1.3", asks=True, refused_after="alert certificate required")], Verdict.FAULT, 0.94),
        ([answer(400, url=URL, body="No required SSL certificate was sent"), scan("1.3", asks=True)], Verdict.FAULT, 0.94),
        ([accepted(), scan("1.3", asks=False)], Verdict.CLEAR, 0.9),
        ([accepted(), scan("1.3", asks=None)], Verdict.UNKNOWN, 0.05),
        ([HANDSHAKE, scan("", asks=True, refused_after="handshake failure")], Verdict.FAULT, 0.94),
        ([accepted()], None, 0.0),
    ],
)
def test_client_certificates(observations: list[Observation], verdict: Verdict | None, confidence: float) -> None:
    found = about("tls.client-cert-requested", *observations)
    assert (found.verdict if found else None) is verdict
    assert found is None or found.confidence >= confidence
    assert roots(*observations, target=TARGET)[:1] == (["tls.client-cert-requested"] if verdict is Verdict.FAULT else [])


def test_a_refusal_over_http_is_not_for_want_of_an_optional_certificate() -> None:
    found = about("tls.client-cert-requested", answer(403, url=URL), scan("1.3", asks=True))
    assert found is not None
    assert found.confidence == 0.35
    assert roots(answer(403, url=URL), scan("1.3", asks=True), target=TARGET)[0] != "tls.client-cert-requested"


@pytest.mark.parametrize(
    ("nameless", "verdict"),
    [
        (accepted(changed=labels.NO_SERVER_NAME), Verdict.CLEAR),
        (accepted(shown(None, certificate("CN=default", "CN=Root"), server_name=""), labels.NO_SERVER_NAME), Verdict.UNKNOWN),
        (failed("tls", Reason.TLS_ALERT, url=URL, changed=labels.NO_SERVER_NAME), Verdict.UNKNOWN),
        (failed("tcp", Reason.TIMEOUT, url=URL, changed=labels.NO_SERVER_NAME), None),
    ],
)
def test_clients_without_a_server_name(nameless: Observation, verdict: Verdict | None) -> None:
    found = about("tls.sni-missing", accepted(), nameless)
    assert (found.verdict if found else None) is verdict
    assert roots(accepted(), nameless, target=TARGET) == []


def test_a_proxy_that_sends_no_server_name_to_its_upstream() -> None:
    target = parse_target(URL, hops=["app=wss://app.test/ws"])
    outer = answer(502, url=URL)
    inner = answer(101, hop="app", url="wss://app.test/ws")
    nameless = failed("tls", Reason.TLS_ALERT, hop="app", changed=labels.NO_SERVER_NAME)
    same = answer(101, hop="app", changed=labels.NO_SERVER_NAME)
    assert roots(outer, inner, nameless, target=target)[0] == "tls.sni-missing"
    assert "tls.sni-missing" not in roots(outer, inner, same, target=target)
    assert "tls.sni-missing" not in roots(outer, inner, target=target)


# HTTP/2


def http2(spoken: bool, extended: bool | None = None, status: int | None = None, ended: str = "") -> Observation:
    facts = Http2Facts(url=URL, spoken=spoken, extended_connect=extended, status=status, ended=ended)
    return seen(facts, probe="http2", changed=labels.WITH_HTTP2_OFFERED)


@pytest.mark.parametrize(
    ("observations", "verdict", "words"),
    [
        ([accepted(), http2(True, True, 426)], Verdict.FAULT, "answered 426: Firefox fails here, curl --http1.1 passes"),
        ([accepted(), http2(True, True, None, "RST_STREAM CANCEL")], Verdict.FAULT, "RST_STREAM CANCEL"),
        ([accepted(), http2(True, True, 200)], Verdict.CLEAR, "and over HTTP/2 with 200"),
        ([accepted(), http2(True, True, 503)], Verdict.UNKNOWN, "503"),
        ([accepted(), http2(True, False)], Verdict.CLEAR, "without extended CONNECT"),
        ([accepted(), http2(False)], Verdict.CLEAR, "not spoken"),
        ([accepted(), http2(True, None, None, "timeout")], Verdict.UNKNOWN, "timeout"),
        ([answer(400, url=URL), http2(True, True, 200)], Verdict.FAULT, "not over HTTP/1.1"),
        ([answer(400, url=URL), http2(True, True, 400)], None, ""),
        ([alert("tlsv1 alert no application protocol"), http2(True, False)], Verdict.FAULT, "wants HTTP/2 only"),
        ([failed("upgrade", Reason.CLOSED, url=URL), http2(True, False)], Verdict.FAULT, "hung up on"),
        ([failed("upgrade", Reason.MALFORMED, raw="\0\0\x06\x04\0\0\0\0\0\0\x05\0\0@\0", url="ws://a.test/")], Verdict.FAULT, "in HTTP/2"),
        ([failed("upgrade", Reason.CLOSED, url=URL), http2(False)], None, ""),
        ([failed("upgrade", Reason.TIMEOUT, url=URL), http2(True, False)], None, ""),
        ([alert("tlsv1 alert no application protocol"), http2(True, True, 200)], Verdict.FAULT, "HTTP/2 only"),
        ([accepted()], None, ""),
    ],
)
def test_http2(observations: list[Observation], verdict: Verdict | None, words: str) -> None:
    found = about("tls.alpn-h2-negotiated", *observations)
    if verdict is None:
        assert found is None or found.verdict is not Verdict.FAULT or found.confidence < 0.5
    else:
        assert found is not None
        assert (found.verdict, words in found.summary) == (verdict, True)
