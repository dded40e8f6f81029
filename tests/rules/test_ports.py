"""Who closes the way to the port?"""

import pytest
from observations import answer, failed, findings, roots, seen, verdicts

from wsbook.facts import THIS_MACHINE, NameFacts, PortFacts
from wsbook.finding import Verdict
from wsbook.observation import Failure, Observation, Reason
from wsbook.target import parse_target

PUBLIC = parse_target("wss://shop.test:8443/ws", hops=["app=ws://10.0.0.5:8000/ws"])
SIX = "2001:db8::7"


def port(number: int, state: str, address: str = "192.0.2.7", *, host: str = "shop.test", **more: object) -> Observation:
    facts = PortFacts(host=host, address=address, port=number, state=state, **more)  # type: ignore[arg-type]
    return seen(facts, step="2.1", probe="port", hop="")


def name(*addresses: str) -> Observation:
    listed = tuple(("ipv6" if ":" in address else "ipv4", address) for address in addresses)
    return seen(NameFacts(host="shop.test", addresses=listed), step="2.1", probe="name", hop="")


TIMEOUT, REFUSED, NO_WAY = (failed("tcp", reason) for reason in (Reason.TIMEOUT, Reason.REFUSED, Reason.UNREACHABLE))
ENDED = failed("upgrade", Reason.CLOSED)
INSIDE = answer(101, hop="app")
FILTER, LISTEN, SIX_SLUG, DNS = "net.firewall-filtered", "net.not-listening-outside", "net.ipv6", "net.dns-wrong"

ROWS: list[tuple[str, list[Observation], str | None, str]] = [
    ("only this port", [TIMEOUT, port(8443, "filtered"), port(443, "open")], FILTER, "only this port is dropped"),
    ("a closed one beside it", [TIMEOUT, port(8443, "filtered"), port(80, "refused")], FILTER, "port 80 is refused there"),
    ("every port", [TIMEOUT, port(8443, "filtered"), port(443, "filtered")], FILTER, "or no machine has this address"),
    ("from outside", [TIMEOUT, port(8443, "filtered"), INSIDE], FILTER, "app accepts the upgrade from inside"),
    ("rejected", [REFUSED, port(8443, "rejected", by="10.0.0.1")], FILTER, "10.0.0.1 says so by ICMP"),
    ("rejected over IPv6", [NO_WAY, port(8443, "rejected", SIX, by="2001:db8::1")], FILTER, "2001:db8::1 says so by ICMP"),
    ("refused", [REFUSED, port(8443, "refused"), port(443, "open")], LISTEN, "refused at once"),
    ("host unreachable", [NO_WAY, port(8443, "unreachable", by="10.0.0.1")], FILTER, "10.0.0.1 says by ICMP"),
    ("no route here", [NO_WAY, port(8443, "unreachable", SIX)], None, ""),
    ("no direct test, refused", [port(8443, "refused")], LISTEN, "refused at once"),
    ("no direct test, filtered", [port(8443, "filtered"), port(443, "open")], FILTER, "only this port is dropped"),
    ("no direct test, open", [port(8443, "open")], None, ""),
    ("taken and ended", [ENDED, port(8443, "open", afterwards="closed")], LISTEN, "nothing listens behind it"),
    ("taken and reset", [ENDED, port(8443, "open", afterwards="reset")], LISTEN, "nothing listens behind it"),
    ("taken, and answered", [answer(101), port(8443, "open", afterwards="closed")], None, ""),
    ("opens late", [answer(101), port(8443, "open", rtt_s=1.02, retries=1)], None, ""),
    ("open later", [TIMEOUT, port(8443, "open")], None, ""),
    ("IPv6 rejected", [answer(101), port(8443, "open"), port(8443, "rejected", SIX, by="2001:db8::1")], SIX_SLUG, "port 8443 is rejected"),
    ("IPv6 told unreachable", [answer(101), port(8443, "open"), port(8443, "unreachable", SIX, by="2001:db8::1")], SIX_SLUG, "unreachable"),
    ("no IPv6 here", [answer(101), port(8443, "open"), port(8443, "unreachable", SIX)], None, ""),
    ("no way for IPv6 here", [answer(101), port(8443, "open"), port(8443, "unreachable", SIX, by=THIS_MACHINE)], None, ""),
    ("nobody there", [NO_WAY, port(8443, "unreachable", by=THIS_MACHINE)], FILTER, "no machine has its address"),
    ("nobody there over IPv6", [NO_WAY, port(8443, "unreachable", SIX, by=THIS_MACHINE)], None, ""),
    ("other ports differ", [answer(101), port(8443, "open"), port(8443, "open", SIX), port(80, "filtered", SIX)], None, ""),
    ("sinkhole", [REFUSED, name("0.0.0.0"), port(8443, "refused", "0.0.0.0")], DNS, "a hosts file or a filtering resolver"),
    ("a developer's name", [REFUSED, name("127.0.0.1"), port(8443, "refused", "127.0.0.1")], LISTEN, "refused at once"),
    ("a developer's name that works", [answer(101), name("127.0.0.1"), port(8443, "open", "127.0.0.1")], None, ""),
    ("reset", [failed("tcp", Reason.RESET), port(8443, "reset")], FILTER, "is reset while connecting"),
]


@pytest.mark.parametrize(("observations", "cause", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_ports(observations: list[Observation], cause: str | None, words: str) -> None:
    assert roots(*observations, target=PUBLIC)[:1] == ([cause] if cause else [])
    summaries = [one.summary for one in findings(*observations, target=PUBLIC) if one.cause == cause and one.verdict is Verdict.FAULT]
    assert cause is None or words in summaries[0]


def test_a_private_address_that_does_not_answer_is_a_possibility() -> None:
    found = findings(TIMEOUT, name("10.1.2.3"), port(8443, "filtered", "10.1.2.3"), target=PUBLIC)
    assert [(one.verdict, one.confidence) for one in found if one.cause == DNS] == [(Verdict.UNKNOWN, 0.4)]


def test_a_resolver_that_is_silent_leaves_the_name_unknown() -> None:
    failure = Failure(stage="resolve", reason=Reason.NAME_FAILED, message="no name server answered within 2 s")
    silent = seen(NameFacts(host="shop.test"), step="2.1", probe="name", hop="", failure=failure)
    found = findings(failed("resolve", Reason.NAME_FAILED), silent, target=PUBLIC)
    assert [(one.verdict, one.confidence) for one in found if one.cause == DNS] == [(Verdict.UNKNOWN, 0.45)]
    assert not [one for one in findings(answer(101), silent, target=PUBLIC) if one.cause == DNS]


LOCAL = [
    ("::1 is another place", "ws://[::1]:8000/", [port(8000, "refused", "::1", host="::1")], "127.0.0.1", SIX_SLUG),
    ("127.0.0.1 is another place", "ws://127.0.0.1:8000/", [port(8000, "refused", "127.0.0.1", host="127.0.0.1")], "::1", SIX_SLUG),
    ("a name for ::1", "ws://shop.test:8000/", [port(8000, "refused", "::1")], "127.0.0.1", SIX_SLUG),
    ("another loopback address", "ws://127.0.0.2:8000/", [port(8000, "refused", "127.0.0.2", host="127.0.0.2")], "127.0.0.1", LISTEN),
    ("bound to loopback", "ws://192.0.2.7:8000/", [port(8000, "refused", host="192.0.2.7")], "127.0.0.1", LISTEN),
    ("nothing anywhere", "ws://127.0.0.1:8000/", [port(8000, "refused", "127.0.0.1", host="127.0.0.1")], "", LISTEN),
]


@pytest.mark.parametrize(("url", "own", "there", "cause"), [row[1:] for row in LOCAL], ids=[row[0] for row in LOCAL])
def test_this_machine(url: str, own: list[Observation], there: str, cause: str) -> None:
    elsewhere = [port(8000, "open", there, host="this machine")] if there else []
    assert roots(failed("tcp", Reason.REFUSED, url=url), *own, *elsewhere, target=parse_target(url))[0] == cause


def test_the_other_loopback_address_need_not_be_served() -> None:
    target = parse_target("ws://127.0.0.1:8000/")
    observations = [
        answer(101, url="ws://127.0.0.1:8000/"),
        port(8000, "open", "127.0.0.1", host="127.0.0.1"),
        port(8000, "refused", "::1", host="this machine"),
    ]
    assert not [one for one in findings(*observations, target=target) if one.cause == SIX_SLUG]
    assert verdicts(*observations, target=target)["2.1"] == "clear"


def test_a_direct_way_that_clients_do_not_go_is_not_judged() -> None:
    target = parse_target("wss://shop.test:8443/ws", forward_proxy="http://proxy.test:3128")
    failure = Failure(stage="resolve", reason=Reason.NAME_NOT_FOUND, message="shop.test does not exist")
    unknown_name = seen(NameFacts(host="shop.test"), step="2.1", probe="name", hop="", failure=failure)
    observations = [answer(101), unknown_name, port(8443, "filtered"), port(8443, "open", SIX)]
    assert [
        one.cause for one in findings(*observations, target=target) if one.cause.startswith("net.") and one.verdict is not Verdict.CLEAR
    ] == []


def test_hairpin_nat_is_a_possibility_where_the_inside_works() -> None:
    found = findings(TIMEOUT, port(8443, "filtered"), INSIDE, target=PUBLIC)
    assert [one.verdict for one in found if one.cause == DNS and "hairpin" in one.summary] == [Verdict.UNKNOWN]
