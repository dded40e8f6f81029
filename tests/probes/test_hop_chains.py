"""The first broken hop of whole chains: real proxies of different make in every order, real servers, each hop broken in its own way."""

import asyncio
from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import pytest
from conftest import find, needs
from dialect_servers import NODE
from hop_chains import Chain, running
from hop_products import APACHE, CADDY, CADDY_BEFORE, HAPROXY, NGINX, Hop
from msgspec.structs import replace

from wsbook.echoed import request_changes, request_changes_text
from wsbook.evidence import Evidence
from wsbook.finding import Finding, Verdict
from wsbook.hops import Break, State, changes_on_the_way, find_break, places, writer
from wsbook.observation import Observation
from wsbook.rules import judge
from wsbook.steps.hops import look_hops
from wsbook.target import Budget, Target

pytestmark = pytest.mark.slow

PROXIES = tuple(name for name in ("nginx", "haproxy", "caddy", "apache") if find(name))
APPS = ("websockets", "aiohttp", "asgi", *(("socket.io",) if (NODE / "node_modules" / "socket.io").is_dir() and find("node") else ()))
WAYS = {
    "nginx": [*NGINX, "dead"],
    "haproxy": [*HAPROXY, "dead"],
    "caddy": [*CADDY, *CADDY_BEFORE, "dead"],
    "apache": [*APACHE, "drop", "path", "root", "host", "dead"],
}
EXPECTED = {
    "drop": "proxy.upgrade-header-missing",
    "close": "proxy.upgrade-header-missing",
    "http10": "proxy.http-1.0-upstream",
    "key": "proxy.hop-lacks-websocket-support",
    "cookie": "proxy.hop-lacks-websocket-support",
    "origin": "proxy.hop-lacks-websocket-support",
    "host": "origin.proxy-rewrites-host",
    "path": "proxy.path-rewrite-wrong",
    "root": "proxy.path-rewrite-wrong",
    "query": "proxy.path-rewrite-wrong",
    "deny": "proxy.security-layer-blocks",
    "reject": "proxy.security-layer-blocks",
    "no-route": "proxy.ws-location-missing",
    "html": "proxy.ws-location-missing",
    "redirect": "handshake.redirected",
    "dead": "proxy.upstream-unreachable",
    "accept": "handshake.invalid-exchange",
}
"""How a hop is broken → what is to be named first."""
ONLY = {"cookie": "websockets", "http10": "websockets", "origin": "aiohttp", "host": "aiohttp", "query": "aiohttp"}
"""What one of the servers alone minds."""


class Result(NamedTuple):
    target: Target
    seen: tuple[Observation, ...]
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> Break | None:
        return find_break(places(self.target.hops, self.seen))

    @property
    def roots(self) -> list[str]:
        return [found.cause for found in self.findings if found.root and found.verdict is Verdict.FAULT]


class Look:
    """What a step needs of an investigation."""

    budget = Budget.named("quick")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.seen: list[Observation] = []

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.target, self.seen)

    def add(self, *observations: Observation) -> None:
        self.seen += [replace(seen, id=f"2.2-{len(self.seen) + number}") for number, seen in enumerate(observations)]

    def progress(self, text: str, fraction: float) -> None:
        return


def ways(product: str, app: str) -> list[str]:
    return [way for way in WAYS[product] if way in EXPECTED and ONLY.get(way, app) == app and not (product == "haproxy" and way == "key")]


def broken_at(products: tuple[str, ...], position: int, number: int, tls: bool) -> Chain:
    """Return the chain with one hop broken; number turns over the ways and the servers. position -1 breaks none."""
    app = APPS[number % len(APPS)]
    own = ways(products[position], app)
    way = own[number * 5 % len(own)]
    return Chain(app, tuple(Hop(product, way if index == position else "") for index, product in enumerate(products)), tls)


def matrix() -> Iterator[Chain]:
    """Yield chains of three in every second order, healthy and broken at each hop, plain and TLS, and of two in every order."""
    number = 0
    for products in list(permutations(PROXIES, 3))[::2]:
        for position in range(-1, 3):
            for tls in (False, True):
                number += 1
                yield broken_at(products, position, number, tls)
    for products in permutations(PROXIES, 2):
        number += 1
        yield broken_at(products, -1, number, bool(number % 2))
        yield broken_at(products, number // 2 % 2, number, bool(number % 3))


MATRIX = list(matrix())
PASSTHROUGH = Chain("websockets", (Hop("nginx"), Hop("passthrough"), Hop("passthrough")), True)
TWICE = Chain("websockets", (Hop("nginx", "drop"), Hop("haproxy", "no-route")))
TWICE_TLS = Chain("aiohttp", (Hop("caddy", "dead"), Hop("apache"), Hop("nginx", "deny")), True)
NAMELESS = Chain("aiohttp", (Hop("haproxy"), Hop("nginx", "sni")), True)
PLAIN = Chain("aiohttp", (Hop("nginx"), Hop("haproxy", "plain-to-tls")), True)
PROTOCOL = Chain("websockets", (Hop("haproxy", "protocol"), Hop("nginx")))
COMPRESSED = Chain("websockets", (Hop("nginx", "add-extension"), Hop("haproxy")))
TOLERANT = Chain("aiohttp", (Hop("nginx", "http10"), Hop("caddy")))
HIDDEN = Chain("websockets", (Hop("nginx"), Hop("caddy", "drop")))
ECHO = Chain("echo", (Hop("nginx"), Hop("haproxy", "cookie"), Hop("caddy")))
ECHO_LOST = Chain("echo", (Hop("apache", "drop"), Hop("nginx")))
SQUID = (Chain("asgi", (Hop("squid"), Hop("caddy"))), Chain("websockets", (Hop("nginx"), Hop("squid", "drop")))) if find("squid") else ()
SPECIAL = (*SQUID, ECHO, ECHO_LOST, PASSTHROUGH, TWICE, TWICE_TLS, NAMELESS, PLAIN, PROTOCOL, COMPRESSED, TOLERANT, HIDDEN)
EVERY = [*MATRIX, *SPECIAL] if len(PROXIES) == 4 else []


async def looked(chain: Chain, target: Target, gate: asyncio.Semaphore) -> Result:
    if chain is HIDDEN:  # a firewall lets nobody but the proxies to the application
        hops = (replace(target.hops[0], url="ws://127.0.0.1:1/ws"), *target.hops[1:])
        target = replace(target, hops=hops)
    async with gate:
        look = Look(target)
        await look_hops(look)
    return Result(target, tuple(look.seen), judge(look.evidence)[0])


async def look_at_all() -> dict[Chain, Result]:
    async with running(EVERY) as targets:
        gate = asyncio.Semaphore(8)
        found = await asyncio.gather(*(looked(chain, target, gate) for chain, target in zip(EVERY, targets, strict=True)))
    return dict(zip(EVERY, found, strict=True))


@pytest.fixture(scope="module")
def results() -> dict[Chain, Result]:
    """Look at every chain once, side by side."""
    if not EVERY:
        pytest.skip("needs nginx, haproxy, caddy, apache")
    return asyncio.run(look_at_all())


def faults(chain: Chain) -> list[tuple[int, str]]:
    return [(index, hop.broken) for index, hop in enumerate(chain.hops) if hop.broken]


def name_of(chain: Chain, index: int) -> str:
    return "endpoint" if index == len(chain.hops) - 1 else f"hop{index + 1}-{chain.hops[index].product}"


@pytest.mark.parametrize("chain", [chain for chain in MATRIX if faults(chain)], ids=lambda chain: chain.name)
def test_the_broken_hop_and_its_cause_are_named(results: dict[Chain, Result], chain: Chain) -> None:
    result, ((index, way),) = results[chain], faults(chain)
    assert result.broken is not None
    assert result.broken.bad.name == name_of(chain, index)
    assert result.broken.good is not None
    assert result.broken.good.name == ("app" if index == 0 else name_of(chain, index - 1))
    timed = chain.app == "socket.io" and way in ("path", "root")  # it meets an unknown path with a second of silence
    assert EXPECTED[way] in result.roots[: 2 if timed else 1]
    named = next(found for found in result.findings if found.cause == EXPECTED[way])
    assert result.broken.bad.name in named.summary


@pytest.mark.parametrize("chain", [chain for chain in MATRIX if not faults(chain)], ids=lambda chain: chain.name)
def test_healthy_chains_are_clear(results: dict[Chain, Result], chain: Chain) -> None:
    result = results[chain]
    assert result.broken is None
    assert not [found for found in result.findings if found.verdict is Verdict.FAULT]
    clear = next(found for found in result.findings if found.cause == "proxy.upgrade-header-missing")
    assert f"app → {name_of(chain, 0)} → " in clear.summary


def test_every_product_and_server_is_broken_in_many_ways() -> None:
    kinds = {(chain.hops[index].product, way) for chain in MATRIX for index, way in faults(chain)}
    assert len(kinds) >= 30
    assert {way for _, way in kinds} >= {"drop", "key", "path", "deny", "no-route", "html", "redirect", "dead", "reject"}
    assert len({chain.hops for chain in MATRIX if not faults(chain)}) >= 24


def test_headers_that_hops_change_are_listed(results: dict[Chain, Result]) -> None:
    chain = next(c for c in MATRIX if not faults(c) and c.tls and [hop.product for hop in c.hops][:2] == ["nginx", "caddy"])
    found = dict(changes_on_the_way(places(results[chain].target.hops, results[chain].seen)))
    changed = {change.name.lower(): change for change in found["hop1-nginx"]}
    assert changed["server"].outer == "nginx"
    added = {change.name.lower() for change in (found.get("hop2-caddy") or found["endpoint"]) if not change.inner}
    assert "alt-svc" in added


def test_tls_that_is_passed_on_as_it_comes(results: dict[Chain, Result]) -> None:
    result = results[PASSTHROUGH]
    assert result.broken is None
    assert [changes for _, changes in changes_on_the_way(places(result.target.hops, result.seen))][1:] == [(), ()]


@pytest.mark.parametrize(
    ("chain", "first", "second"),
    [
        (TWICE, ("hop1-nginx", "proxy.upgrade-header-missing"), ("endpoint", "proxy.ws-location-missing")),
        (TWICE_TLS, ("hop1-caddy", "proxy.upstream-unreachable"), ("endpoint", "proxy.security-layer-blocks")),
    ],
    ids=["plain", "tls"],
)
def test_two_broken_hops_are_both_named(
    results: dict[Chain, Result], chain: Chain, first: tuple[str, str], second: tuple[str, str]
) -> None:
    result = results[chain]
    assert result.broken is not None
    assert (result.broken.bad.name, result.roots[0]) == first
    assert second[1] in result.roots[1:3]  # the application of one chain does not check Origin, which is true as well
    assert f"{second[0]} breaks the upgrade too" in next(found for found in result.findings if found.cause == second[1]).summary


def test_a_proxy_that_sends_no_server_name(results: dict[Chain, Result]) -> None:
    assert results[NAMELESS].roots[0] == "tls.sni-missing"


def test_a_proxy_that_speaks_plain_http_to_tls(results: dict[Chain, Result]) -> None:
    assert results[PLAIN].roots[0] == "endpoint.plain-to-tls-port"
    assert results[PLAIN].broken is not None
    assert results[PLAIN].broken.bad.name == "endpoint"


def test_a_subprotocol_that_gets_lost_in_the_answer(results: dict[Chain, Result]) -> None:
    assert results[PROTOCOL].roots == ["subprotocol.mismatch"]
    named = next(found for found in results[PROTOCOL].findings if found.cause == "subprotocol.mismatch")
    assert "hop1-haproxy loses it" in named.summary


def test_compression_that_nobody_behind_agreed_on_is_possible_only(results: dict[Chain, Result]) -> None:
    named = [found for found in results[COMPRESSED].findings if found.cause == "frame.compression-broken"]
    assert [found.verdict for found in named] == [Verdict.UNKNOWN]


def test_an_old_http_version_that_the_server_takes_is_no_fault(results: dict[Chain, Result]) -> None:
    assert results[TOLERANT].broken is None
    assert results[TOLERANT].roots == []


def test_an_application_that_cannot_be_reached_from_here_is_not_the_broken_hop(results: dict[Chain, Result]) -> None:
    result = results[HIDDEN]
    assert result.broken is not None
    assert result.broken.bad.name == "endpoint"
    chain = places(result.target.hops, result.seen)
    assert [place.state for place in chain] == [State.UNREACHABLE, State.PASSES, State.REFUSES]
    assert result.roots[0] == "proxy.upgrade-header-missing"


def test_headers_of_the_request_that_hops_change_are_known_from_an_application_that_says_them(results: dict[Chain, Result]) -> None:
    tried = places(results[ECHO].target.hops, results[ECHO].seen)
    texts = [request_changes_text(request_changes(place.facts)) for place in tried]
    assert texts[0] == ""
    assert "loses" not in texts[1]
    assert "loses Cookie" in texts[2]
    assert "loses Cookie; adds " in texts[3]
    assert "x-forwarded-for: 127.0.0.1" in texts[3].lower()
    clear = next(found for found in results[ECHO].findings if found.cause == "proxy.upgrade-header-missing")
    assert any("loses Cookie" in proof.text for proof in clear.evidence)


def test_an_application_that_says_what_it_received_names_what_is_lost(results: dict[Chain, Result]) -> None:
    named = results[ECHO_LOST].findings[0]
    assert (named.cause, named.confidence) == ("proxy.upgrade-header-missing", 0.97)
    assert "the way through hop1-apache loses Upgrade" in named.summary


@needs("squid")
def test_squid_as_a_hop(results: dict[Chain, Result]) -> None:
    healthy, dropping = SQUID
    assert results[healthy].broken is None
    assert results[dropping].broken is not None
    assert results[dropping].broken.bad.name == "endpoint"
    assert results[dropping].roots[0] == "proxy.upgrade-header-missing"


def test_who_wrote_the_answer(results: dict[Chain, Result]) -> None:
    lost = next(chain for chain in MATRIX if [way for _, way in faults(chain)] == ["drop"] and len(chain.hops) == 3)
    own = next(chain for chain in MATRIX if [way for _, way in faults(chain)] == ["no-route"] and len(chain.hops) == 3)
    for chain, expected in ((lost, "app"), (own, name_of(own, faults(own)[0][0]))):
        tried = places(results[chain].target.hops, results[chain].seen)
        assert writer(tried[-1], tried, results[chain].seen) == expected
