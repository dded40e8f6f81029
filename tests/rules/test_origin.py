"""Too strict for the page's own origin, or open to any site; a refusal for another reason is neither."""

import pytest
from msgspec.structs import replace
from observations import FOREIGN, answer, findings, roots, verdicts

from wsbook.attempt import NO_CREDENTIALS, NO_ORIGIN, OFFERED_PATH, RANDOM_PATH, SUFFIXED_ORIGIN, THE_ENDPOINTS_HOST
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.target import parse_target

WITH_COOKIE = parse_target("wss://shop.test/ws", headers=["Cookie: session=***"])


def try_(status: int, changed: str) -> Observation:
    return answer(status, changed=changed, step="3.3")


ROWS: list[tuple[str, list[Observation], list[str]]] = [
    ("own accepted, foreign refused", [answer(101), try_(403, FOREIGN), try_(101, NO_ORIGIN)], []),
    ("own refused, none accepted", [answer(403), try_(403, FOREIGN), try_(101, NO_ORIGIN)], ["origin.not-in-allowlist"]),
    ("own refused with 404, another accepted", [answer(404), try_(101, FOREIGN), try_(404, NO_ORIGIN)], ["origin.not-in-allowlist"]),
    ("own refused with 400, none accepted", [answer(400), try_(101, NO_ORIGIN)], ["origin.not-in-allowlist"]),
    ("direct accepts the same Origin", [answer(403), try_(101, NO_ORIGIN), answer(101, hop="app")], ["origin.proxy-rewrites-host"]),
]


@pytest.mark.parametrize(("observations", "causes"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_matrix(observations: list[Observation], causes: list[str]) -> None:
    assert roots(*observations)[: len(causes) or None] == causes


def test_a_refusal_that_no_origin_cures_is_not_the_origins() -> None:
    found = findings(answer(403), try_(403, FOREIGN), try_(403, NO_ORIGIN), try_(403, SUFFIXED_ORIGIN))
    (own,) = [finding for finding in found if finding.cause == "origin.not-in-allowlist"]
    assert (own.verdict, "alike" in own.summary) == (Verdict.UNKNOWN, True)
    unknown_path = [answer(403), answer(403, changed=RANDOM_PATH), try_(403, FOREIGN), try_(403, NO_ORIGIN)]
    (own,) = [finding for finding in findings(*unknown_path) if finding.cause == "origin.not-in-allowlist"]
    assert (own.verdict, "path that nobody serves" in own.summary) == (Verdict.UNKNOWN, True)


def test_open_to_any_site_needs_a_cookie_that_matters() -> None:
    hijack = [answer(101), try_(101, FOREIGN), try_(401, NO_CREDENTIALS)]
    assert roots(*hijack, target=WITH_COOKIE) == ["origin.not-checked"]
    assert roots(*hijack[:2], try_(101, NO_CREDENTIALS), target=WITH_COOKIE) == []
    assert roots(*hijack) == []


BEHIND = parse_target("wss://shop.test/ws", headers=["Cookie: session=***"], hops=["app=ws://10.0.0.5:8000/ws"])


def placed(status: int, hop: str, *changed: str) -> Observation:
    found = answer(status, hop=hop, step="3.3")
    return replace(found, source=replace(found.source, probe="origin" if changed else "upgrade", changed=changed))


@pytest.mark.parametrize(
    ("hop", "base"),
    [("app", ()), ("app", (THE_ENDPOINTS_HOST,)), ("endpoint", (OFFERED_PATH,))],
    ids=["hop", "public Host", "offered path"],
)
@pytest.mark.parametrize(
    ("own", "foreign", "bare", "named"),
    [(101, 101, 401, True), (101, 403, 401, False), (101, 101, 101, False), (404, 101, 401, False)],
    ids=["open to any page", "checked", "knows no users", "lets nobody in"],
)
def test_a_check_is_looked_for_behind_an_endpoint_that_lets_nobody_in(
    hop: str, base: tuple[str, ...], own: int, foreign: int, bare: int, named: bool
) -> None:
    inside = [placed(own, hop, *base), placed(foreign, hop, *base, FOREIGN), placed(bare, hop, *base, FOREIGN, NO_CREDENTIALS)]
    refused = [answer(426), try_(426, FOREIGN)]
    assert ("origin.not-checked" in roots(*refused, *inside, target=BEHIND)) is named
    checks_first = [answer(426), try_(403, FOREIGN)]
    assert "origin.not-checked" not in roots(*checks_first, *inside, target=BEHIND)
    let_in = [answer(101), try_(403, FOREIGN)]
    assert "origin.not-checked" not in roots(*let_in, placed(403, hop, *base, FOREIGN), target=BEHIND)


@pytest.mark.parametrize(("status", "cleared"), [(401, True), (403, False)])
def test_refusals_of_all_tell_nothing_of_which_origins_are_let_in(status: int, cleared: bool) -> None:
    refused = [answer(status), try_(status, FOREIGN), try_(status, NO_ORIGIN), try_(status, SUFFIXED_ORIGIN)]
    (own,) = [finding for finding in findings(*refused) if finding.cause == "origin.not-in-allowlist"]
    assert (own.verdict is Verdict.CLEAR) is cleared
    assert verdicts(*refused)["3.3"] == "unknown"
