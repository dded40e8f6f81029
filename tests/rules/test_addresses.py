"""Which address of a name is wrong."""

import pytest
from observations import answer, failed, findings

from wsbook.attempt import ONE_ADDRESS
from wsbook.facts import TlsFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason
from wsbook.target import parse_target

TARGET = parse_target("ws://shop.test/ws")
LOCAL = parse_target("ws://localhost/ws")


def at(address: str, status: int = 101) -> Observation:
    changed = f"{ONE_ADDRESS}{address}"
    return failed("tcp", Reason.TIMEOUT, changed=changed) if status == 0 else answer(status, changed=changed)


EXPIRED = TlsFacts(server_name="shop.test", verify_code=10)
OLD = failed("tls", Reason.CERTIFICATE, tls=EXPIRED, changed=f"{ONE_ADDRESS}192.0.2.2")
NO_ROUTE = failed("tcp", Reason.UNREACHABLE, changed=f"{ONE_ADDRESS}2001:db8::1")
ROWS = [
    ("all work", [at("192.0.2.1"), at("192.0.2.2"), at("2001:db8::1")], "net.dns-wrong", Verdict.CLEAR),
    ("IPv6 fails", [at("192.0.2.1"), at("192.0.2.2"), at("2001:db8::1", 0)], "net.ipv6", Verdict.FAULT),
    ("IPv4 fails", [at("192.0.2.1", 0), at("2001:db8::1")], "net.ipv6", Verdict.FAULT),
    ("IPv6 answers otherwise", [at("192.0.2.1"), at("2001:db8::1", 404)], "net.ipv6", Verdict.FAULT),
    ("one of three is dead", [at("192.0.2.1"), at("192.0.2.2", 0), at("192.0.2.3")], "net.dns-wrong", Verdict.FAULT),
    ("one of two is another site", [at("192.0.2.1"), at("192.0.2.2", 404)], "net.dns-wrong", Verdict.FAULT),
    ("one of each family", [at("192.0.2.1"), at("192.0.2.2", 0), at("2001:db8::1"), at("2001:db8::2", 0)], "net.dns-wrong", Verdict.FAULT),
    ("one with an old certificate", [at("192.0.2.1"), OLD, at("192.0.2.3")], "tls.cert-expired", Verdict.FAULT),
    ("no IPv6 on this machine", [at("192.0.2.1"), at("192.0.2.2"), NO_ROUTE], "net.ipv6", Verdict.UNKNOWN),
    ("no IPv6, and one is dead", [at("192.0.2.1"), at("192.0.2.2", 0), NO_ROUTE], "net.dns-wrong", Verdict.FAULT),
    ("one failed once", [at("192.0.2.1"), at("192.0.2.2", 0), at("192.0.2.2")], "net.dns-wrong", Verdict.CLEAR),
    ("one without backend", [at("192.0.2.1"), at("192.0.2.2", 502)], "proxy.upstream-unreachable", Verdict.FAULT),
    ("one differs among failures", [at("192.0.2.1", 404), at("192.0.2.2", 404), at("192.0.2.3", 0)], "net.dns-wrong", Verdict.UNKNOWN),
    ("all fail alike", [at("192.0.2.1", 404), at("192.0.2.2", 404)], "net.dns-wrong", None),
    ("one of two, told to wait", [at("192.0.2.1"), at("192.0.2.2", 429)], "net.dns-wrong", None),
    ("one only", [at("192.0.2.1")], "net.dns-wrong", None),
    ("none", [], "net.dns-wrong", None),
]


@pytest.mark.parametrize(("observations", "slug", "verdict"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_addresses(observations: list[Observation], slug: str, verdict: Verdict | None) -> None:
    found = {finding.cause: finding for finding in findings(*observations, target=TARGET)}
    assert (found[slug].verdict if slug in found else None) is verdict


def test_the_address_is_named() -> None:
    found = findings(at("192.0.2.1"), at("192.0.2.2", 0), at("192.0.2.3"), target=TARGET)
    assert "1 of 3 addresses of shop.test fail: 192.0.2.2 (timeout at stage tcp" in found[0].summary


def test_localhost_means_two_addresses_to_everybody() -> None:
    found = {finding.cause: finding for finding in findings(at("127.0.0.1"), at("::1", 0), target=LOCAL)}
    assert found["net.ipv6"].verdict is Verdict.UNKNOWN
