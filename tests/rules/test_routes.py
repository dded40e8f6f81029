"""What a configuration does with the WebSocket's route, said the same way for every product."""

import pytest
from msgspec.structs import replace
from observations import answer, findings, roots, seen

from wsbook.facts import RouteFacts, Setting
from wsbook.finding import Verdict
from wsbook.limits import idle_limits
from wsbook.observation import Observation
from wsbook.target import parse_target


def setting(value: str | None) -> Setting | None:
    return None if value is None else Setting(value=value, file="p.conf", line=9)


def route(
    upgrade: str | None, connection: str | None, version: str | None = "1.1", *, serves: bool | None = True, lost: bool = False
) -> Observation:
    facts = RouteFacts(
        product="nginx",
        file="p.conf",
        line=5,
        matcher="/ws",
        serves=serves,
        upstream="app:8000",
        upgrade=setting(upgrade),
        connection=setting(connection),
        http_version=setting(version),
        inheritance_lost=lost,
    )
    return seen(facts, step="2.2", probe="config", hop="")


ROWS: list[tuple[str, Observation, list[str]]] = [
    ("healthy", route("forwarded", "upgrade"), []),
    ("healthy by a map", route("forwarded", "forwarded"), []),
    ("no Upgrade", route("absent", "absent"), ["proxy.upgrade-header-missing"]),
    ("Connection closed", route("forwarded", "close"), ["proxy.upgrade-header-missing"]),
    ("Upgrade carries the wrong word", route("upgrade", "upgrade"), ["proxy.upgrade-header-missing"]),
    ("headers lost by inheritance", route("absent", "absent", lost=True), ["proxy.set-header-inheritance-lost"]),
    ("HTTP/1.0", route("forwarded", "upgrade", "1.0"), ["proxy.http-1.0-upstream"]),
    ("a route of something else", route("absent", "absent", serves=False), []),
    ("nothing known", route(None, None, None), []),
]


@pytest.mark.parametrize(("observation", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_route(observation: Observation, causes: list[str]) -> None:
    assert roots(observation) == causes


def test_a_version_that_an_unread_file_may_set_is_possible_only() -> None:
    facts = route("forwarded", "upgrade").facts
    assert isinstance(facts, RouteFacts)
    unread = seen(replace(facts, http_version=Setting(value=None)), step="2.2", probe="config", hop="")
    (found,) = [found for found in findings(unread) if found.cause == "proxy.http-1.0-upstream"]
    assert found.verdict is Verdict.UNKNOWN and found.confidence < 0.5
    hidden = replace(facts, http_version=Setting(value=None), upgrade=Setting(value=None))
    assert not [found for found in findings(seen(hidden, step="2.2", probe="config", hop="")) if found.cause == "proxy.http-1.0-upstream"]


def test_evidence_names_file_and_line_and_where_each_value_comes_from() -> None:
    seen_route = route("absent", "absent")
    facts = seen_route.facts
    assert isinstance(facts, RouteFacts)
    closing = Setting(value="close", default=True)
    inherited = Setting(value="absent", file="p.conf", line=9, level="server")
    changed = seen(replace(facts, upgrade=inherited, connection=closing), step="2.2", probe="config", hop="")
    (found,) = [finding for finding in findings(changed) if finding.verdict is Verdict.FAULT]
    assert found.evidence[0].where == "p.conf:9"
    assert found.evidence[0].text == "Upgrade: absent (inherited from server, p.conf:9), Connection: close (default of nginx before 1.29.7)"


def limit(product: str, seconds: str, *, default: bool = False, serves: bool | None = True) -> Observation:
    setting = Setting(value=seconds, file="" if default else f"{product}.conf", line=0 if default else 7, default=default)
    facts = RouteFacts(product=product, file=f"{product}.conf", line=5, matcher="/ws", serves=serves, idle_s=setting)
    return seen(facts, step="2.2", probe="config", hop="")


@pytest.mark.parametrize(
    ("observations", "shortest", "words"),
    [
        ([limit("nginx", "60", default=True)], ["60"], "(default of nginx)"),
        ([limit("nginx", "60", default=True), limit("haproxy", "50")], ["50"], "the shortest of 2 limits in the chain"),
        ([limit("nginx", "60"), limit("haproxy", "0")], ["60"], "set at nginx.conf:7"),
        ([limit("nginx", "60"), limit("haproxy", "5", serves=False)], ["60"], "set at nginx.conf:7"),
        ([limit("nginx", "600"), limit("aws-elb", "60", default=True, serves=None)], ["60"], "(default of aws-elb)"),
        ([limit("nginx", "600"), limit("aws-elb", "3600", serves=None)], ["600"], ""),
        ([limit("nginx", "x")], [], ""),
        ([limit("nginx", "3600"), limit("haproxy", "7200")], ["3600"], ""),
    ],
)
def test_the_shortest_idle_limit_of_a_chain_is_named(observations: list[Observation], shortest: list[str], words: str) -> None:
    assert [f"{one.seconds:g}" for one in idle_limits(observations) if one.shortest] == shortest
    said = [found for found in findings(*observations) if found.verdict is Verdict.UNKNOWN and "silence" in found.summary]
    assert words in " ".join(found.summary for found in sorted(said, key=lambda found: -found.confidence)[:1])
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("arrives", "status", "named"),
    [("/", 404, True), ("/ws", 404, False), ("/ws/", 404, False), ("/", 426, False), ("/", 101, False), (None, 404, False)],
    ids=["rewritten", "as asked", "a slash", "known there", "accepted", "unknown"],
)
def test_a_rewritten_path_that_is_not_found(arrives: str | None, status: int, named: bool) -> None:
    facts = RouteFacts(product="nginx", file="p.conf", line=5, matcher="/", serves=True, upstream_path=arrives)
    found = findings(answer(status), seen(facts, step="2.2", probe="config", hop=""), target=parse_target("ws://shop.test/ws"))
    assert any("turns /ws into" in one.summary for one in found) is named
