"""Policies that code sets, beside the sockets that it dials."""

import pytest

from wsbook.facts import PatternFacts
from wsbook.parsers.code.sources import parse_source_text

DIALS = "; const s = new WebSocket('wss://rt.a.example:8443/ws')"


def policies(code: str) -> list[str]:
    seen = parse_source_text(code, artifact="a.ts", side="frontend", step="1.1")
    return [o.facts.pattern for o in seen if isinstance(o.facts, PatternFacts) and o.facts.pattern.startswith("policy.")]


@pytest.mark.parametrize(
    ("policy", "pattern"),
    [
        ("const csp = \"default-src 'self'; connect-src 'self'\"", "policy.own-origin-only"),
        ('const csp = "connect-src https://api.a.example"', "policy.socket-not-listed"),
        ("helmet({ contentSecurityPolicy: { directives: { connectSrc: ['https://api.a.example'] } } })", "policy.socket-not-listed"),
        ('const csp = "connect-src wss://*.b.example"', "policy.socket-not-listed"),
        ('const csp = "connect-src wss://rt.a.example"', "policy.socket-not-listed"),
    ],
)
def test_a_policy_that_keeps_the_socket_out(policy: str, pattern: str) -> None:
    assert policies(policy + DIALS) == [pattern]


@pytest.mark.parametrize(
    "code",
    [
        'const csp = "connect-src *"' + DIALS,
        "const csp = \"connect-src 'self' wss:\"" + DIALS,
        'const csp = "connect-src wss://*.a.example:8443"' + DIALS,
        'const csp = "connect-src wss://rt.a.example:*"' + DIALS,
        "const csp = `connect-src 'self' ${socketUrl}`" + DIALS,
        "helmet({ contentSecurityPolicy: { directives: { connectSrc: [\"'self'\", process.env.WS_URL] } } })" + DIALS,
        "res.set('Content-Security-Policy-Report-Only', \"connect-src 'self'\")" + DIALS,
        "const csp = \"connect-src 'self'\"; const s = new WebSocket('wss://rt.a.example/ws')",
        "const csp = \"connect-src 'self'\"; const s = new WebSocket(`wss://${location.host}/ws`)",
        "const csp = \"script-src 'self'\"" + DIALS,
    ],
)
def test_a_policy_that_lets_it_through_or_cannot_be_read(code: str) -> None:
    assert policies(code) == []
