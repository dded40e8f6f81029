"""Broadcasts over real balancers: what instances do with them, and what the rules make of what the probe saw."""

import itertools

import pytest
from cluster_servers import COUNTS, Cluster
from conftest import needs
from observations import findings

from wsbook.attempt import Attempt
from wsbook.finding import Finding, Verdict
from wsbook.probes import broadcast
from wsbook.probes.affinity import SOURCES
from wsbook.probes.broadcast import probe_broadcast
from wsbook.target import Trigger

pytestmark = [pytest.mark.slow, needs("nginx", "haproxy")]

_rooms = itertools.count()

NO_BUS, HALF, EACH, TWICE = (
    "cluster.no-pubsub-across-workers",
    "cluster.pubsub-misconfigured",
    "cluster.every-instance-publishes",
    "message.duplicated",
)
EXPECTED = {
    "/all": ("", "", ""),
    "/others": ("", "", ""),
    "/alone": ("", NO_BUS, NO_BUS),
    "/half": ("", NO_BUS, HALF),
    "/deaf": ("", HALF, HALF),
    "/mute": ("", HALF, HALF),
    "/copies": ("", EACH, EACH),
    "/local-twice": (TWICE, TWICE, TWICE),
    "/echo": ("", "", ""),
}
"""What the application does → the first fault with 1, 2 and 4 instances. One of two off the bus is the same as no bus."""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_SETTLE_S", 0.1), ("_SPACING_S", 0.001), ("_REPEATS_S", 0.03)):
        monkeypatch.setattr(broadcast, name, seconds)


async def judged(running: Cluster, balancer: tuple[str, str], count: int, path: str, how: str, **options: object) -> list[Finding]:
    """Return the faults, surest first. how: each (every subscriber sends), one, trigger."""
    url = running.url(*balancer, count, path + f"&room={next(_rooms)}")
    trigger = Trigger(method="GET", url=url.replace("ws://", "http://") + "&emit={marker}") if how == "trigger" else None
    seen = await probe_broadcast(
        Attempt(url=url),
        subscribers=max(6, 3 * count),
        messages=8,
        trigger=trigger,
        message="" if trigger else "hello {marker}",
        step="3.2",
        from_each=how == "each",
        **options,  # type: ignore[arg-type]
    )
    return [found for found in findings(seen) if found.verdict is Verdict.FAULT]


def first(faults: list[Finding]) -> str:
    return faults[0].cause if faults else ""


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("path", EXPECTED)
async def test_every_subscriber_sends(running: Cluster, path: str, count: int) -> None:
    faults = await judged(running, ("nginx", "round robin"), count, f"{path}?name=header", "each")
    assert first(faults) == EXPECTED[path][COUNTS.index(count)]
    assert not faults or faults[0].confidence >= 0.75


@pytest.mark.parametrize("count", COUNTS[1:])
@pytest.mark.parametrize("path", ["/all", "/alone", "/half", "/deaf", "/mute", "/copies"])
async def test_a_trigger_publishes_at_one_after_the_other(running: Cluster, path: str, count: int) -> None:
    faults = await judged(running, ("haproxy", "roundrobin"), count, f"{path}?name=header", "trigger")
    assert first(faults) == EXPECTED[path][COUNTS.index(count)]


@pytest.mark.parametrize(
    ("path", "how", "expected"),
    [
        ("/all", "each", ""),
        ("/others", "each", ""),
        ("/others", "one", ""),
        ("/alone", "each", NO_BUS),
        ("/alone", "trigger", NO_BUS),
        ("/half", "each", NO_BUS),  # three that share a bus and one that does not look like two without one
        ("/deaf", "trigger", HALF),
        ("/mute", "each", HALF),
        ("/copies", "trigger", EACH),
        ("/echo", "one", ""),
        ("/echo", "each", ""),
    ],
)
async def test_nothing_names_the_instances(running: Cluster, path: str, how: str, expected: str) -> None:
    assert first(await judged(running, ("caddy", "round_robin"), 4, f"{path}?", how)) == expected


@pytest.mark.parametrize(
    ("balancer", "query"),
    [
        (("nginx", "random"), "name=header"),
        (("nginx", "hash cookie"), "name=header&cookie=route"),
        (("nginx", "least_conn"), "name=message"),
        (("haproxy", "cookie"), ""),
        (("haproxy", "leastconn"), ""),
        (("caddy", "random"), "name=header"),
        (("caddy", "cookie"), ""),
        (("nginx", "ip_hash"), "name=header"),
        (("haproxy", "source"), "name=header"),
        (("caddy", "ip_hash"), "name=header"),
    ],
    ids=str,
)
async def test_every_balancer_lets_missing_buses_be_seen(running: Cluster, balancer: tuple[str, str], query: str) -> None:
    options = {"sources": SOURCES} if balancer[1] in ("ip_hash", "source") else {}
    assert first(await judged(running, balancer, 4, f"/alone?{query}", "each", **options)) == NO_BUS
    assert first(await judged(running, balancer, 4, f"/all?{query}", "each", **options)) == ""


async def test_all_at_one_instance_shows_nothing(running: Cluster) -> None:
    assert await judged(running, ("nginx", "ip_hash"), 4, "/alone?name=header", "each") == []


async def test_the_instance_that_is_off_the_bus_is_named(running: Cluster) -> None:
    said = {}
    for path in ("/half", "/deaf", "/mute"):
        said[path] = (await judged(running, ("nginx", "round robin"), 4, f"{path}?name=header", "each"))[0].summary
    assert "d is cut off" in said["/half"]
    assert "d hears none of the others" in said["/deaf"]
    assert "d is heard by none of the others" in said["/mute"]


async def test_a_hop_is_one_more_way_to_an_instance(running: Cluster) -> None:
    path = f"/alone?name=header&room={next(_rooms)}"
    hops = [Attempt(url=f"ws://127.0.0.1:{port}{path}", hop=hop) for hop, port in zip(("app", "app-b"), running.plain, strict=False)]
    url = running.url("nginx", "ip_hash", 2, path)
    seen = await probe_broadcast(
        Attempt(url=url), subscribers=3, messages=4, trigger=None, message="{marker}", step="3.2", hops=hops, from_each=True
    )
    assert first([found for found in findings(seen) if found.verdict is Verdict.FAULT]) == NO_BUS
