"""Stickiness behind real balancers: product × policy × number of instances, and what an answer tells of its instance."""

import pytest
from cluster_servers import CADDY, COUNTS, HAPROXY, NGINX, Cluster
from conftest import needs
from dialect_servers import Hub, needs_node, node, round_robin, serving

from wsbook.attempt import Attempt
from wsbook.facts import AffinityFacts, DialectFacts
from wsbook.probes.affinity import probe_affinity
from wsbook.probes.dialects import probe_dialect
from wsbook.rules.cluster import spread_of
from wsbook.wire.dialects.detect import Clue

pytestmark = [pytest.mark.slow, needs("nginx", "haproxy")]


STAYS_BY = {
    ("nginx", "ip_hash"): "source",
    ("nginx", "hash address"): "source",
    ("nginx", "hash consistent"): "source",
    ("nginx", "hash cookie"): "cookie",
    ("haproxy", "source"): "source",
    ("haproxy", "cookie"): "cookie",
    ("caddy", "cookie"): "cookie",
    ("caddy", "ip_hash"): "source",
    ("caddy", "first"): "one",
}
"""Everything else binds a client to nothing."""

ROWS = [(product, policy) for product, policies in (("nginx", NGINX), ("haproxy", HAPROXY), ("caddy", CADDY)) for policy in policies]


async def affinity(url: str, *, first_message_s: float = 0.0, **options: object) -> AffinityFacts:
    attempt = Attempt(url=url, first_message_s=first_message_s)
    seen = await probe_affinity(attempt, step="2.2", owned=True, **options)  # type: ignore[arg-type]
    assert isinstance(seen.facts, AffinityFacts)
    return seen.facts


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("product", "policy"), ROWS)
async def test_what_keeps_a_client_at_its_instance(running: Cluster, product: str, policy: str, count: int) -> None:
    path = "/all?name=header&cookie=route" if policy == "hash cookie" else "/all?name=header"
    connections = 14 if policy in ("random", "cookie") else 6  # chance would put six at one of two instances in 3 of 100 runs
    spread = spread_of(await affinity(running.url(product, policy, count, path), connections=connections))
    assert spread.kind == ("one" if count == 1 else STAYS_BY.get((product, policy), "none"))
    assert {name for name, _ in spread.counts} | set(spread.others) <= set("abcd"[:count])


@pytest.mark.parametrize(
    ("path", "known_by", "kind"),
    [
        ("/all?name=header", "header x-instance", "none"),
        ("/all?name=message", "first message pid", "none"),
        ("/all", "", "unknown"),
    ],
)
async def test_what_tells_instances_apart(running: Cluster, path: str, known_by: str, kind: str) -> None:
    facts = await affinity(running.url("nginx", "round robin", 2, path), first_message_s=0.3)
    assert (facts.known_by, spread_of(facts).kind) == (known_by, kind)


@pytest.mark.parametrize(("product", "cookie"), [("haproxy", "SERVERID"), ("caddy", "lb")])
async def test_a_balancers_cookie_tells_instances_apart(running: Cluster, product: str, cookie: str) -> None:
    facts = await affinity(running.url(product, "cookie", 4, "/all"))
    assert (facts.known_by, facts.cookies, facts.bound) == (f"cookie {cookie.lower()}", (cookie,), (cookie,))
    assert spread_of(facts).kind == "cookie"


async def test_a_cookie_that_is_new_for_everybody_tells_nothing(running: Cluster) -> None:
    facts = await affinity(running.url("nginx", "hash cookie", 2, "/all?cookie=route"))
    assert (facts.known_by, facts.bound, spread_of(facts).kind) == ("", ("route",), "unknown")


async def test_another_instance_is_met_when_it_is_asked_directly(running: Cluster) -> None:
    hops = [
        Attempt(url=f"ws://127.0.0.1:{port}/all?name=header", hop=hop) for hop, port in zip(("app", "app-b"), running.plain, strict=False)
    ]
    spread = spread_of(await affinity(running.url("caddy", "first", 2), hops=hops))
    assert (spread.kind, spread.counts, spread.others) == ("one", (("a", 12),), ("b",))
    assert spread.chance < 0.001


@pytest.mark.parametrize(("product", "policy"), [("nginx", "round robin"), ("haproxy", "roundrobin"), ("caddy", "round_robin")])
async def test_one_of_two_servers_is_down(running: Cluster, product: str, policy: str) -> None:
    facts = await affinity(running.url(product, policy, 2, kind="broken"), connections=8)
    assert [visit.accepted for visit in facts.visits[:8]].count(True) == 4
    assert {visit.status for visit in facts.visits if not visit.accepted} <= {502, 503}


SESSIONS_HOLD = {
    ("nginx", "ip_hash"): "always",
    ("nginx", "hash address"): "always",
    ("nginx", "hash consistent"): "always",
    ("haproxy", "source"): "always",
    ("haproxy", "cookie"): "with cookies",
    ("caddy", "cookie"): "with cookies",
    ("caddy", "ip_hash"): "always",
    ("caddy", "first"): "always",
}


CERTAIN = [row for row in ROWS if row[1] not in ("least_conn", "leastconn", "random")]
"""Which server is idle, or comes up, is chance."""


@pytest.mark.parametrize(("product", "policy"), CERTAIN)
async def test_sessions_of_socket_io(running: Cluster, product: str, policy: str) -> None:
    url = running.url(product, policy, 2, "/socket.io/?EIO=4&transport=websocket", kind="sessions")
    facts = await affinity(url, connections=2, dialect="engine.io")
    lost = {series: sum(talk.lost for talk in facts.conversations if talk.series == series) for series in ("plain", "cookie")}
    held = "always" if not any(lost.values()) else "with cookies" if not lost["cookie"] else "never"
    assert held == SESSIONS_HOLD.get((product, policy), "never")
    assert all(talk.requests == 4 for talk in facts.conversations)


@pytest.mark.parametrize(("product", "policy"), [("haproxy", "cookie"), ("caddy", "cookie"), ("nginx", "ip_hash")])
async def test_a_client_of_socket_io_meets_its_instance(running: Cluster, product: str, policy: str) -> None:
    url = running.url(product, policy, 2, "/socket.io/?EIO=4&transport=websocket", kind="sessions")
    for _ in range(3):
        seen = await probe_dialect(Attempt(url=url), Clue(dialect="engine.io", why="a test", basis="said"), step="1.3", pairs=4)
        assert isinstance(seen.facts, DialectFacts)
        assert (seen.facts.pairs, seen.facts.pairs_lost) == (4, 0)
        assert not [step for step in seen.facts.steps if "unknown" in step.detail.lower() or step.refusal == "engine.io-1"]


@needs_node("socket.io")
@pytest.mark.parametrize("count", [1, 2])
async def test_sessions_of_socket_io_in_node(count: int) -> None:
    async with node("socket.io") as one, node("socket.io") as other, round_robin(*(one, other)[:count]) as port:
        path = "/socket.io/?EIO=4&transport=websocket"
        hops = [Attempt(url=f"ws://127.0.0.1:{place}{path}", hop=name) for name, place in (("app", one), ("app-b", other))]
        facts = await affinity(f"ws://127.0.0.1:{port}{path}", dialect="engine.io", connections=2, hops=hops)
    assert {talk.lost > 0 for talk in facts.conversations} == {count == 2}
    assert {talk.upgraded for talk in facts.conversations if count == 1} <= {True}
    assert {talk.instance for talk in facts.conversations} <= ({"app"} if count == 1 else {"app", "app-b"})
    assert all("Session ID unknown" in talk.said for talk in facts.conversations if talk.lost)


@needs_node("sockjs")
@pytest.mark.parametrize("count", [1, 2])
async def test_sessions_of_sockjs_in_node(count: int) -> None:
    async with node("sockjs") as one, node("sockjs") as other, round_robin(*(one, other)[:count]) as port:
        facts = await affinity(f"ws://127.0.0.1:{port}/echo/websocket", dialect="sockjs", connections=2)
    assert [talk.lost for talk in facts.conversations] == [0 if count == 1 else 2] * 4


@pytest.mark.parametrize("count", [1, 2])
async def test_connections_of_signalr(count: int) -> None:
    async with serving(Hub().application()) as one, serving(Hub().application()) as other, round_robin(*(one, other)[:count]) as port:
        facts = await affinity(f"ws://127.0.0.1:{port}/hub", dialect="signalr", connections=2)
    assert [(talk.requests, talk.lost) for talk in facts.conversations] == [(2, 0 if count == 1 else 2)] * 4


async def test_a_server_that_does_not_speak_it_has_no_sessions(running: Cluster) -> None:
    for dialect in ("engine.io", "sockjs", "signalr"):
        assert (await affinity(running.url("nginx", "random", 2), dialect=dialect, connections=2)).conversations == ()


async def test_few_connections_to_somebody_elses_host(running: Cluster) -> None:
    seen = await probe_affinity(Attempt(url=running.url("nginx", "random", 2), first_message_s=0.0), step="2.2", connections=99)
    assert isinstance(seen.facts, AffinityFacts) and len(seen.facts.visits) == 6


async def test_nobody_there() -> None:
    facts = await affinity("ws://127.0.0.1:9/", connections=2, dialect="engine.io")
    assert [visit.accepted for visit in facts.visits] == [False, False] and facts.conversations == ()
    assert "refused" in facts.visits[0].error
