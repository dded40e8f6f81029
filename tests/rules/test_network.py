"""Is there a way to the port at all?"""

import pytest
from observations import answer, failed, findings, roots, seen, verdicts

from wsbook.facts import NameFacts, PortFacts, ProxyVariablesFacts
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Reason, Source, not_run
from wsbook.target import parse_target

PUBLIC = parse_target("wss://shop.test/ws", page_url="https://shop.test/")


def port(number: int, state: str, address: str = "192.0.2.7") -> Observation:
    return seen(PortFacts(host="shop.test", address=address, port=number, state=state), step="2.1", probe="port", hop="")


def missing_name(host: str) -> Observation:
    failure = Failure(stage="resolve", reason=Reason.NAME_NOT_FOUND, message=f"{host} does not exist")
    return seen(NameFacts(host=host), step="2.1", probe="name", hop="", failure=failure)


ROWS: list[tuple[str, list[Observation], str | None]] = [
    ("open", [answer(101), port(443, "open")], None),
    ("refused", [failed("tcp", Reason.REFUSED), port(443, "refused")], "net.not-listening-outside"),
    ("filtered", [failed("tcp", Reason.TIMEOUT), port(443, "filtered"), port(80, "open")], "net.firewall-filtered"),
    ("no name", [failed("resolve", Reason.NAME_NOT_FOUND), missing_name("shop.test")], "net.dns-wrong"),
    ("IPv6 dead", [answer(101), port(443, "open"), port(443, "filtered", "2001:db8::7")], "net.ipv6"),
    ("no IPv6 on this machine", [answer(101), port(443, "open"), port(443, "unreachable", "2001:db8::7")], None),
    ("both families", [answer(101), port(443, "open"), port(443, "open", "2001:db8::7")], None),
    ("proxy refuses", [failed("proxy", Reason.PROXY_REFUSED)], "net.corporate-proxy-blocks"),
    ("could not look", [not_run(Source(step="2.1", probe="port"), Reason.NOT_GIVEN, "no endpoint")], None),
]


@pytest.mark.parametrize(("observations", "cause"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_way_to_the_port(observations: list[Observation], cause: str | None) -> None:
    assert roots(*observations, target=PUBLIC)[:1] == ([cause] if cause else [])


def test_a_service_name_is_an_internal_address() -> None:
    target = parse_target("ws://backend:8000/ws", page_url="https://shop.test/")
    assert (
        roots(failed("resolve", Reason.NAME_NOT_FOUND), missing_name("backend"), target=target)[0]
        == "endpoint.localhost-or-internal-address"
    )


def test_localhost_in_a_public_page_is_an_internal_address() -> None:
    target = parse_target("ws://localhost:8000/ws", page_url="https://shop.test/")
    assert roots(failed("tcp", Reason.REFUSED), target=target)[0] == "endpoint.localhost-or-internal-address"


def test_a_proxy_variable_is_a_hint_only() -> None:
    variables = seen(
        ProxyVariablesFacts(variables=(("HTTPS_PROXY", "http://proxy.test:3128"),), applies=True), step="2.1", probe="environment", hop=""
    )
    hints = [
        found for found in findings(variables, failed("tcp", Reason.TIMEOUT), target=PUBLIC) if found.cause == "net.corporate-proxy-blocks"
    ]
    assert [found.verdict for found in hints] == [Verdict.UNKNOWN]
    assert verdicts(variables, answer(101), target=PUBLIC)["2.1"] == "clear"
