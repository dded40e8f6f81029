"""What trying a configuration on loopback does to findings on it."""

from typing import Any

import pytest
from msgspec.structs import replace
from observations import findings, rung, seen

from wsbook.facts import Change, Fix, PatternFacts, Received, RehearsalFacts, RouteFacts, Setting, Trial
from wsbook.finding import Finding, Verdict
from wsbook.observation import Observation

DIFF = "--- p.conf.orig\n+++ p.conf\n@@ -5 +5 @@\n-old\n+new"
REFUSED = Trial(valid=True, accepted=False, status=426, received=Received(method="GET", resource="/ws", version="1.0"), servers=1)
ACCEPTED = Trial(valid=True, accepted=True, status=101, received=Received(method="GET", resource="/ws", version="1.1"), servers=1)
INVALID = Trial(valid=False, complaint="unknown directive")
UNASKED = Trial(complaint="nginx did not answer")
SILENT = Trial(valid=True, accepted=False, complaint="the TLS handshake failed")


def fix(cause: str) -> Fix:
    return Fix(causes=(cause,), changes=(Change(file="p.conf", line=5, removed=1, added=("new",)),), diff=DIFF)


def route(cause: str = "proxy.upgrade-header-missing", **more: Any) -> Observation:
    absent = Setting(value="absent", file="p.conf", line=5)
    given = {"upgrade": absent, "connection": absent, "fixes": (fix(cause),), **more}
    facts = RouteFacts(product="nginx", file="p.conf", line=5, matcher="/ws", serves=True, upstream="app:8000", **given)
    return seen(facts, step="2.2", probe="nginx", hop="")


def defect(cause: str, *, weight: float = 0.8) -> Observation:
    facts = PatternFacts(pattern="p", cause=cause, ok=False, file="p.conf", line=5, excerpt="old", weight=weight, fix=fix(cause))
    return seen(facts, step="2.2", probe="nginx", hop="")


def tried(before: Trial, after: Trial | None, cause: str = "proxy.upgrade-header-missing") -> Observation:
    facts = RehearsalFacts(
        product="nginx", version="1.22.1", file="p.conf", url="ws://shop.test/ws", before=before, after=after, causes=(cause,), diff=DIFF
    )
    return seen(facts, step="2.2", probe="rehearsal", hop="")


def found(cause: str, *observations: Observation) -> Finding:
    (one,) = [finding for finding in findings(*observations) if finding.cause == cause and finding.verdict is not Verdict.CLEAR]
    return one


@pytest.mark.parametrize(
    ("trial", "verdict", "words", "printed"),
    [
        (None, Verdict.FAULT, "", True),
        (tried(REFUSED, ACCEPTED), Verdict.FAULT, "accepts the upgrade (101) with this change and answers 426 without it", True),
        (tried(INVALID, ACCEPTED), Verdict.FAULT, "refuses the file (unknown directive) without it", True),
        (tried(REFUSED, REFUSED), Verdict.FAULT, "No change is printed", False),
        (tried(REFUSED, INVALID), Verdict.FAULT, "No change is printed", False),
        (tried(INVALID, INVALID), Verdict.FAULT, "Not tried: unknown directive", True),
        (tried(REFUSED, UNASKED), Verdict.FAULT, "Not tried: nginx did not answer", True),
        (tried(SILENT, SILENT), Verdict.FAULT, "Not tried: the TLS handshake failed", True),
        (tried(ACCEPTED, ACCEPTED), Verdict.UNKNOWN, "", False),
    ],
)
def test_a_change_is_printed_when_it_was_not_tried_in_vain(trial: Observation | None, verdict: Verdict, words: str, printed: bool) -> None:
    one = found("proxy.upgrade-header-missing", route(), *([trial] if trial else []))
    assert (one.verdict, words in one.remedy, DIFF in one.remedy) == (verdict, True, printed)


def test_a_file_that_passes_the_upgrade_as_it_is_refutes_the_claim() -> None:
    one = found("proxy.upgrade-header-missing", route(), tried(ACCEPTED, ACCEPTED))
    assert (one.confidence < 0.4, one.root) == (True, True)
    assert "nginx 1.22.1 passes the upgrade with this file as it is" in one.summary
    assert one.evidence[-1].where == "p.conf"


def test_a_proof_stands_in_the_evidence() -> None:
    one = found("proxy.upgrade-header-missing", route(), tried(REFUSED, ACCEPTED))
    assert one.confidence > found("proxy.upgrade-header-missing", route()).confidence
    assert one.evidence[-1].text.startswith("nginx 1.22.1 accepts the upgrade (101)")


def received(path: str = "/ws", *, secure: bool = False, **headers: str) -> Trial:
    said = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Trial(
        valid=True,
        accepted=False,
        status=426,
        received=Received(method="GET", resource=path, version="1.1", secure=secure, headers=said),
        servers=1,
    )


def spread(servers: int) -> Trial:
    return Trial(valid=True, accepted=True, status=101, servers=servers)


@pytest.mark.parametrize(
    ("cause", "before", "after", "words"),
    [
        (
            "endpoint.plain-to-tls-port",
            Trial(valid=True, accepted=False, status=502),
            received(secure=True),
            "reaches an upstream that speaks TLS",
        ),
        ("proxy.path-rewrite-wrong", received("/"), received("/ws"), "sends /ws to the application with this change and / without it"),
        ("proxy.path-rewrite-wrong", received("/"), received("/x"), "No change is printed"),
        (
            "proxy.forwarded-headers-wrong",
            received(X_Forwarded_Proto="wss"),
            received(X_Forwarded_Proto="https"),
            "X-Forwarded-Proto: https instead of wss",
        ),
        ("proxy.forwarded-headers-wrong", received(), received(), "No change is printed"),
        ("cluster.no-sticky-session", spread(2), spread(1), "reach one server with this change and 2 without it"),
        ("cluster.no-sticky-session", spread(2), spread(2), "No change is printed"),
        ("cluster.no-sticky-session", spread(1), spread(1), "+new"),
    ],
)
def test_each_cause_is_shown_by_what_it_is_about(cause: str, before: Trial, after: Trial, words: str) -> None:
    assert words in found(cause, defect(cause), tried(before, after, cause)).remedy


def test_an_idle_limit_is_not_waited_for() -> None:
    cause = "proxy.idle-timeout-nginx"
    limit = route(cause, idle_s=Setting(value="60", default=True), upgrade=None, connection=None)
    one = found(cause, limit, tried(REFUSED, Trial(valid=True), cause))
    assert "accepts the changed file; what the limit does was not waited for" in one.remedy
    assert DIFF in one.remedy


@pytest.mark.parametrize(
    ("before", "after", "words", "printed"),
    [
        (1.0, None, "closes a silent socket after 1.0 s without this change and still holds it after 1.7 s with it", True),
        (1.0, 1.0, "No change is printed", False),
        (None, None, "", True),
    ],
)
def test_an_idle_limit_that_was_shortened_is_watched(before: float | None, after: float | None, words: str, printed: bool) -> None:
    cause = "proxy.idle-timeout-nginx"
    limit = route(cause, idle_s=Setting(value="60", default=True), upgrade=None, connection=None)
    watched = [replace(ACCEPTED, watched_s=1.7, closed_after_s=lived) for lived in (before, after)]
    one = found(cause, limit, tried(*watched, cause))
    assert (words in one.remedy, DIFF in one.remedy) == (True, printed)


def test_sockets_that_were_seen_to_die_of_a_limit_get_its_change() -> None:
    cause = "proxy.idle-timeout-nginx"
    limit = route(cause, idle_s=Setting(value="60", default=True), upgrade=None, connection=None)
    ladder = [rung("endpoint", 30.0), rung("endpoint", 75.0, 60.0), rung("app", 75.0)]
    blamed = [one for one in findings(limit, *ladder) if one.cause.startswith("proxy.idle-timeout") and one.verdict is Verdict.FAULT]
    assert [(one.cause, DIFF in one.remedy) for one in blamed] == [(cause, True)]


def test_a_trial_of_another_change_says_nothing() -> None:
    other = seen(
        RehearsalFacts(product="nginx", version="1", file="q.conf", url="ws://x/ws", before=ACCEPTED, after=ACCEPTED, diff="other"),
        step="2.2",
        probe="rehearsal",
        hop="",
    )
    one = found("proxy.upgrade-header-missing", route(), other)
    assert (one.verdict, DIFF in one.remedy) == (Verdict.FAULT, True)
