"""The catalogue: complete, well-formed, and without a cycle among its explanations."""

import graphlib
import re

import pytest

from wsbook.causes import AREAS, cause, causes, explains
from wsbook.errors import UsageError
from wsbook.finding import Finding, Severity, Verdict, rank

STEPS = {"1.1", "1.2", "1.3", "1.4", "2.1", "2.2", "3.1", "3.2", "3.3", "3.4", "4.1", "4.2"}
SLUGS = sorted(causes())


def named(patterns: tuple[str, ...]) -> set[str]:
    """Return the slugs that a list of slugs and "area.*" stands for."""
    areas = {pattern.removesuffix(".*") for pattern in patterns if pattern.endswith(".*")}
    return {slug for slug in SLUGS if slug in patterns or slug.partition(".")[0] in areas}


def fault(slug: str, confidence: float) -> Finding:
    return Finding(
        cause=slug,
        step=cause(slug).step,
        verdict=Verdict.FAULT,
        severity=cause(slug).severity,
        confidence=confidence,
        summary=f"{slug} seen",
    )


def test_every_area_and_step_has_causes() -> None:
    assert {slug.partition(".")[0] for slug in SLUGS} == set(AREAS)
    assert {cause(slug).step for slug in SLUGS} == STEPS
    assert len(SLUGS) == 118


@pytest.mark.parametrize("slug", SLUGS)
def test_an_entry_is_complete(slug: str) -> None:
    entry = cause(slug)
    assert re.fullmatch(r"[a-z]+\.[a-z0-9.-]+", slug)
    assert entry.frequency in {"high", "med", "low"}
    assert 10 <= len(entry.title) <= 60
    assert not entry.title.endswith(".")
    for text in (entry.meaning, entry.evidence, entry.remedy, entry.test):
        assert 20 <= len(text) <= 900
        assert text == text.rstrip()
    assert 1 <= len(entry.references) <= 3
    assert all(re.fullmatch(r"https://[a-z0-9.-]+/\S*", link) for link in entry.references)


@pytest.mark.parametrize("slug", SLUGS)
def test_what_a_cause_explains_exists_and_is_another(slug: str) -> None:
    for pattern in cause(slug).explains:
        assert named((pattern,)), pattern
    assert slug not in named(cause(slug).explains)


def test_no_two_causes_explain_each_other_through_any_chain() -> None:
    order = list(graphlib.TopologicalSorter({slug: named(patterns) for slug, patterns in explains().items()}).static_order())
    assert sorted(order) == SLUGS


@pytest.mark.parametrize(
    ("root", "consequence"),
    [
        ("net.dns-wrong", "handshake.timeout"),
        ("endpoint.localhost-or-internal-address", "net.dns-wrong"),
        ("proxy.set-header-inheritance-lost", "proxy.upgrade-header-missing"),
        ("proxy.upgrade-header-missing", "handshake.invalid-exchange"),
        ("proxy.idle-timeout-nginx", "heartbeat.absent-or-too-slow"),
        ("proxy.idle-timeout-nginx", "proxy.idle-timeout"),
        ("cluster.no-pubsub-across-workers", "message.lost"),
        ("backend.exception-kills-broadcast", "message.lost"),
        ("client.duplicate-listeners", "message.duplicated"),
        ("origin.proxy-rewrites-host", "origin.not-in-allowlist"),
    ],
)
def test_a_proven_root_takes_its_consequence_with_it(root: str, consequence: str) -> None:
    first, second = rank([fault(consequence, 0.9), fault(root, 0.8)], explains())
    assert (first.cause, first.root) == (root, True)
    assert (second.cause, second.root, second.explained_by) == (consequence, False, (root,))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("endpoint.wrong-path", "proxy.ws-location-missing"),
        ("proxy.upgrade-header-missing", "client.reconnect-no-backoff"),
        ("proxy.idle-timeout-nginx", "proxy.idle-timeout-cloud"),
        ("client.no-resubscribe-after-reconnect", "lifecycle.restart-drops"),
    ],
)
def test_alternatives_and_independent_faults_both_stay_roots(one: str, other: str) -> None:
    assert all(finding.root for finding in rank([fault(one, 0.9), fault(other, 0.9)], explains()))


def test_severities_follow_when_it_hurts() -> None:
    assert cause("redherring.not-a-fault").severity is Severity.INFO
    assert cause("client.insecure-url").severity is Severity.WARNING
    assert cause("origin.not-checked").severity is Severity.ERROR


def test_an_unknown_slug_names_its_neighbours() -> None:
    with pytest.raises(UsageError, match=r"proxy\.upgrade-header-missing"):
        cause("proxy.upgrade-header")
