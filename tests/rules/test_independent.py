"""What was shown without the page is no consequence of what the page does."""

from msgspec.structs import replace
from observations import TARGET, findings, seen

from wsbook.evidence import Evidence
from wsbook.facts import BroadcastFacts, OutageFacts, Subscriber
from wsbook.observation import Observation
from wsbook.rules.independent import independent_of
from wsbook.rules.make import fault, proof

AWAY = OutageFacts(way="rst", answer="refuse", lasted_s=5.0, watched_s=310.0, pending_s=(), leapt_s=300.0, open_before=1)


def page(facts: OutageFacts = AWAY) -> Observation:
    return seen(facts, step="3.1", probe="reconnect", hop="browser")


def lossy() -> Observation:
    subscribers = [Subscriber(index=n, instance="a", received=4 - len(missed), missed=missed) for n, missed in enumerate([(1,), (), (2,)])]
    return seen(BroadcastFacts(messages=4, subscribers=tuple(subscribers)), step="3.2", probe="broadcast")


def test_what_our_own_sockets_lost_is_no_matter_of_the_page() -> None:
    found = {one.cause: one for one in findings(page(), lossy())}
    assert found["client.no-reconnect"].root
    assert found["message.lost"].root and not found["message.lost"].explained_by


def test_copies_that_our_own_sockets_got_are_no_matter_of_the_pages_handlers() -> None:
    twice = [Subscriber(index=n, instance="a", received=4, duplicated=(0, 1, 2, 3), most_copies=2) for n in range(2)]
    own = seen(BroadcastFacts(messages=4, subscribers=tuple(twice)), step="3.2", probe="broadcast")
    grown = replace(AWAY, reopened_s=6.0, runs_before=1.0, runs_after=2.0, open_sockets=1)
    assert {one.cause for one in findings(page(grown), own) if one.root} >= {"client.duplicate-listeners", "message.duplicated"}


def test_what_was_seen_in_the_page_may_be_its_doing_and_what_a_proxy_does_reaches_everybody() -> None:
    seen_in_page, seen_by_us = page(), lossy()
    independent = independent_of(Evidence(TARGET, [seen_in_page, seen_by_us]))
    in_page, by_us = (fault("message.lost", 0.7, "lost", proof(one, "")) for one in (seen_in_page, seen_by_us))
    assert not independent(in_page, "client.no-reconnect")
    assert independent(by_us, "client.no-reconnect")
    assert not independent(by_us, "proxy.buffering")
