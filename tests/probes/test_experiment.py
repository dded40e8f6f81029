"""Experiments: one change at a time, named so that rules can ask for it."""

import time

import pytest
from misbehaving import Peer, head, misbehaving

from wsbook import attempt as labels
from wsbook.attempt import Attempt, Family
from wsbook.errors import UsageError
from wsbook.evidence import Evidence
from wsbook.facts import UpgradeFacts
from wsbook.probes.experiment import (
    experiment,
    fitting_variants,
    handshake_variants,
    losing_variants,
    random_path,
)
from wsbook.rules.hop_losses import LOSSES
from wsbook.target import parse_endpoint, parse_target
from wsbook.wire.handshake import request_headers

PLAIN = Attempt(url="ws://host.example/ws", origin="https://host.example")
FULL = Attempt(
    url="wss://host.example/ws/?room=1",
    origin="https://host.example",
    headers=(("Cookie", "sid=1"), ("X-Trace", "1")),
    subprotocols=("chat",),
    via="http://proxy.example:3128",
)
SPELLINGS = (labels.CONNECTION_LIST, labels.OTHER_CASE, labels.OTHER_VERSION)


def changes(variants: list[Attempt]) -> list[tuple[str, ...]]:
    return [variant.changed for variant in variants]


def only(variants: list[Attempt], label: str) -> Attempt:
    (found,) = [variant for variant in variants if variant.changed == (label,)]
    return found


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (
            PLAIN,
            {
                labels.NO_ORIGIN,
                labels.FOREIGN_ORIGIN,
                labels.NO_UPGRADE,
                labels.NO_EXTENSIONS,
                labels.RANDOM_PATH,
                labels.WITH_SLASH,
                labels.OTHER_SCHEME,
                labels.IPV4_ONLY,
                labels.IPV6_ONLY,
                *SPELLINGS,
            },
        ),
        (
            FULL,
            {
                labels.NO_ORIGIN,
                labels.FOREIGN_ORIGIN,
                labels.NO_UPGRADE,
                labels.NO_EXTENSIONS,
                labels.NO_SUBPROTOCOL,
                labels.NO_CREDENTIALS,
                labels.RANDOM_PATH,
                labels.WITHOUT_SLASH,
                labels.OTHER_SCHEME,
                labels.UNVERIFIED,
                labels.NO_SERVER_NAME,
                labels.WITH_HTTP2_OFFERED,
                labels.NO_PROXY,
                labels.NO_ALPN,
                *SPELLINGS,
            },
        ),
        (
            Attempt(url="ws://127.0.0.1:8080/", extensions=()),
            {labels.FOREIGN_ORIGIN, labels.NO_UPGRADE, labels.RANDOM_PATH, labels.OTHER_SCHEME, *SPELLINGS},
        ),
    ],
)
def test_handshake_variants(attempt: Attempt, expected: set[str]) -> None:
    variants = handshake_variants(attempt)
    assert {change for (change,) in changes(variants)} == expected
    assert len(variants) == len(expected)
    assert all(variant != attempt for variant in variants)


@pytest.mark.parametrize(
    ("label", "field", "value"),
    [
        (labels.NO_ORIGIN, "origin", None),
        (labels.NO_EXTENSIONS, "extensions", ()),
        (labels.NO_SUBPROTOCOL, "subprotocols", ()),
        (labels.NO_CREDENTIALS, "headers", (("X-Trace", "1"),)),
        (labels.WITHOUT_SLASH, "url", "wss://host.example/ws?room=1"),
        (labels.OTHER_SCHEME, "url", "ws://host.example/ws/?room=1"),
        (labels.UNVERIFIED, "verify", False),
        (labels.NO_SERVER_NAME, "server_name", ""),
        (labels.NO_PROXY, "via", None),
    ],
)
def test_variant_changes_what_it_says(label: str, field: str, value: object) -> None:
    assert getattr(only(handshake_variants(FULL), label), field) == value


LOST = {
    *(labels.NO_TOKENS, labels.CONNECTION_CLOSE, labels.HTTP_1_0, labels.NO_KEY, labels.NO_OWN_HEADERS, labels.OTHER_HOST),
    *(labels.FORWARDED_HTTP, labels.NO_ORIGIN, labels.FOREIGN_ORIGIN, labels.THE_ROOT_PATH),
}


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (PLAIN, LOST),
        (FULL, LOST | {labels.NO_CREDENTIALS, labels.NO_SUBPROTOCOL, labels.NO_QUERY, labels.OTHER_SCHEME}),
        (Attempt(url="ws://127.0.0.1/"), LOST - {labels.NO_ORIGIN, labels.FOREIGN_ORIGIN, labels.THE_ROOT_PATH}),
    ],
)
def test_losing_variants_lose_one_thing_each_and_rules_know_them(attempt: Attempt, expected: set[str]) -> None:
    made = losing_variants(attempt, parse_endpoint("wss://shop.example/ws"))
    assert [len(variant.changed) for variant in made] == [1] * len(expected)
    assert {variant.changed[0] for variant in made} == expected <= set(LOSSES)
    sent = {variant.changed[0]: dict(request_headers(variant, "x" * 24)) for variant in made}
    assert "Upgrade" not in sent[labels.NO_TOKENS]
    assert sent[labels.CONNECTION_CLOSE]["Connection"] == "close"
    assert {name for name in sent[labels.NO_OWN_HEADERS] if name.startswith("Sec-")} == set()


def test_fitting_variants_send_what_the_next_proxy_does() -> None:
    inner = Attempt(url="wss://10.0.0.5:8443/ws", hop="app")
    made = {variant.changed: variant for variant in fitting_variants(inner, parse_endpoint("wss://shop.example/ws"))}
    whole = (labels.AS_FORWARDED,)
    assert made.keys() == {(labels.UNVERIFIED,), (labels.FORWARDED_HTTPS,), whole, (*whole, labels.UNVERIFIED)}
    assert made[whole].host_header == "shop.example"
    assert ("X-Forwarded-Proto", "https") in made[whole].headers
    plain = fitting_variants(Attempt(url="ws://10.0.0.5/ws"), parse_endpoint("ws://shop.example/ws"))
    assert [variant.changed for variant in plain] == [whole]


async def test_without_a_way_only_other_ways_are_tried() -> None:
    attempt = Attempt(url="ws://127.0.0.1:1/ws", timeout_s=0.5)
    variants = [
        *handshake_variants(attempt),
        attempt.change(labels.NO_PROXY, via="http://127.0.0.1:2"),
        attempt.change("::1", address="::1"),
    ]
    seen = await experiment(attempt, variants, step="1.3")
    assert [one.source.changed for one in seen] == [(), (labels.NO_PROXY,), ("::1",)]


def test_other_scheme_keeps_an_unusual_port() -> None:
    variants = handshake_variants(Attempt(url="wss://host.example:8443/ws"))
    assert only(variants, labels.OTHER_SCHEME).url == "ws://host.example:8443/ws"


def test_families() -> None:
    variants = handshake_variants(PLAIN)
    assert only(variants, labels.IPV6_ONLY).family is Family.IPV6


def test_random_path_keeps_the_rest() -> None:
    one, two = random_path("wss://host.example:8443/ws?a=1"), random_path("wss://host.example:8443/ws?a=1")
    assert one != two
    assert one.startswith("wss://host.example:8443/wsbook-")
    assert one.endswith("?a=1")


async def test_experiment_finds_what_flips_the_outcome() -> None:
    async def strict(peer: Peer) -> None:
        allowed = b"Origin: https://good.example" in peer.request
        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        await peer.send(head().replace(b"ACCEPT", peer.accept) if allowed else refusal)
        await peer.reader.read(1)

    async with misbehaving(ws=strict) as server:
        baseline = Attempt(url=server.url("/ws"), origin="https://good.example", first_message_s=0.01, timeout_s=1.0)
        tried = {labels.NO_ORIGIN: None, labels.FOREIGN_ORIGIN: "https://foreign.example", labels.NULL_ORIGIN: "null"}
        variants = [baseline.change(label, origin=origin) for label, origin in tried.items()]
        seen = await experiment(baseline, variants, step="3.3")
    assert seen[0].source.changed == ()
    assert server.paths == ["/ws"] * len(seen)
    evidence = Evidence(parse_target(baseline.url), seen)
    ((_, own),) = evidence.attempts()
    assert own.accepted
    for label in tried:
        ((_, facts),) = evidence.attempts(changed=label)
        assert facts.status == 403


async def test_variants_run_side_by_side_and_keep_their_order() -> None:
    async with misbehaving() as server:
        baseline = Attempt(url=server.url("/good"), timeout_s=0.3, first_message_s=0.0)
        variants = [baseline.change(f"silent {i}", url=server.url("/silent")) for i in range(6)]
        started = time.perf_counter()
        seen = await experiment(baseline, variants, step="1.3", together=3)
        spent = time.perf_counter() - started
    assert [observation.source.changed for observation in seen] == [(), *((f"silent {i}",) for i in range(6))]
    assert 0.6 <= spent < 1.6
    assert isinstance(seen[0].facts, UpgradeFacts)


async def test_mistake_in_a_variant_is_our_callers() -> None:
    async with misbehaving() as server:
        baseline = Attempt(url=server.url("/good"), first_message_s=0.0)
        with pytest.raises(UsageError, match="line break"):
            await experiment(baseline, [baseline, baseline.change(headers=(("X", "a\nb"),))], step="1.3")
