"""Steps 1.3 and 2.2 against the lab: what lies below and around the upgrade is named as the root cause, by measuring alone."""

import pytest
from conftest import needs

from wsbook.case import Case
from wsbook.facts import Http2Facts, RedirectFacts, TlsScanFacts
from wsbook.finding import Verdict

FAULTS = [
    "tls.version-or-cipher-mismatch",
    "tls.client-cert-requested",
    "tls.sni-missing",
    "tls.alpn-h2-negotiated",
    "handshake.headers-too-large",
    "proxy.forwarded-headers-wrong",
    "backend.upgrade-header-exact-compare",
    "handshake.redirected",
]


@needs("nginx", "haproxy")
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_fault_comes_first(fault: str) -> None:
    with Case.open(fault=fault) as case:
        for step in ("1.3", "2.2"):
            await case.run(step)
        judgement = case.judge()
    roots = [finding for finding in judgement.findings if finding.root and finding.verdict is Verdict.FAULT]
    assert [finding.cause for finding in roots][:1] == [fault]
    assert roots[0].confidence >= 0.7


async def test_a_healthy_listener_is_clear() -> None:
    with Case.open(fault="endpoint.plain-to-tls-port") as case:
        healthy = case.target.url.replace("ws://", "wss://")
        with Case.open(url=healthy, ca_file=case.target.ca_file) as other:
            await other.run("1.3")
            evidence, judgement = other.evidence, other.judge()
    assert [finding.cause for finding in judgement.findings if finding.verdict is Verdict.FAULT] == []
    clear = {finding.cause for finding in judgement.findings if finding.verdict is Verdict.CLEAR}
    assert clear >= {
        "tls.cert-expired",
        "tls.version-or-cipher-mismatch",
        "tls.client-cert-requested",
        "tls.sni-missing",
        "tls.alpn-h2-negotiated",
        "backend.upgrade-header-exact-compare",
    }
    assert evidence.first(TlsScanFacts) and evidence.first(Http2Facts) and not evidence.first(RedirectFacts)
