"""Step 3.3 behind real proxies: Host kept or rewritten, Origin kept, replaced or hidden, and a list of the proxy's own."""

import asyncio

import pytest
from conftest import needs
from hop_chains import Chain, running
from hop_products import HAPROXY, NGINX, Hop
from msgspec.structs import replace

from wsbook.case import Case
from wsbook.finding import Verdict
from wsbook.target import Budget, Target

STRICT, OPEN, HOST = "origin.not-in-allowlist", "origin.not-checked", "origin.proxy-rewrites-host"

CHAINS = [
    (Chain("same host", (Hop("nginx"), Hop("haproxy"))), "", ""),
    (Chain("same host", (Hop("nginx", "host"),)), HOST, "the proxy at the endpoint"),
    (Chain("same host", (Hop("haproxy", "host"), Hop("nginx"))), HOST, "hop1-haproxy"),
    (Chain("listed", (Hop("nginx"), Hop("haproxy"))), "", ""),
    (Chain("listed", (Hop("nginx", "origin"),)), OPEN, "endpoint in front of it"),
    (Chain("listed", (Hop("haproxy", "origin"), Hop("nginx"))), OPEN, "hop1-haproxy in front of it"),
    (Chain("listed", (Hop("haproxy", "other-origin"),)), HOST, "the proxy at the endpoint replaces Origin"),
    (Chain("public", (Hop("nginx", "origin-list"),)), STRICT, "endpoint, which keeps a list of its own"),
]


MORE_WAYS: list[tuple[dict, dict]] = [
    (
        NGINX,
        {
            "other-origin": "proxy_set_header Origin https://other.example;",
            "origin-list": 'if ($http_origin !~ "^(|https://app.elsewhere.example)$") { return 403; }',
        },
    ),
    (HAPROXY, {"other-origin": ("http-request set-header Origin https://other.example",)}),
]
"""What a hop may do to Origin beside the ways of hop_products.py."""


async def judged(chain: Chain, target: Target, cause: str, words: str) -> str:
    """Return what is wrong with the judgement, "" nothing."""
    if chain.app == "same host":
        target = replace(target, origin="http://127.0.0.1")
    case = Case(target, Budget.named("quick"))
    await case.run("3.3")
    faults = [found for found in case.judge().findings if found.verdict is Verdict.FAULT]
    shown = "\n".join(f"{found.cause} {found.confidence} {found.summary}" for found in faults)
    if not cause:
        return f"{chain.name}: {shown}" if faults else ""
    first = faults[0] if faults else None
    return "" if first and first.cause == cause and words in first.summary else f"{chain.name}: {shown or 'nothing'}"


@needs("nginx", "haproxy")
async def test_every_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    for product, ways in MORE_WAYS:
        for name, lines in ways.items():
            monkeypatch.setitem(product, name, lines)
    async with running([chain for chain, _, _ in CHAINS]) as targets:
        trials = [judged(chain, target, *expected) for (chain, *expected), target in zip(CHAINS, targets, strict=True)]
        assert not [text for text in await asyncio.gather(*trials) if text]
