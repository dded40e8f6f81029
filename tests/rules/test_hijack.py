"""Who else gets in: the whole of what decides whether a foreign page acts as the visitor."""

from typing import Any

import pytest
from msgspec.structs import replace
from observations import answer, findings, seen

from wsbook import attempt as labels
from wsbook.facts import Cookie, CookieFacts, Credential, CredentialFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation
from wsbook.target import parse_target

TARGET = parse_target("wss://shop.test/ws", page_url="https://shop.test/")
SLUG = "origin.not-checked"
COOKIE = Credential(place="header", name="Cookie session", ambient=True)
TOKEN = Credential(place="query", name="token")
BASIC = Credential(place="header", name="Authorization", scheme="Basic", ambient=None)
FOREIGN, BARE, AMBIENT = labels.FOREIGN_ORIGIN, labels.NO_CREDENTIALS, labels.ONLY_AMBIENT


def given(*credentials: Credential) -> Observation:
    return seen(CredentialFacts(url=TARGET.url, credentials=credentials), step="3.3", probe="credentials")


def tried(status: int, *changed: str, origin: str = "https://foreign.test", **more: Any) -> Observation:
    made = answer(status, step="3.3", url=TARGET.url, request_headers=(("Origin", origin),))
    assert made.facts is not None
    return replace(made, source=replace(made.source, changed=changed), facts=replace(made.facts, **more))


def verdicts(*observations: Observation) -> set[str]:
    """Return the verdicts on hijacking."""
    return {found.verdict.value for found in findings(*observations, target=TARGET) if found.cause == SLUG}


OPEN = [tried(101), tried(101, FOREIGN), tried(101, labels.THE_SAME_AGAIN)]
SHUT = [tried(101), tried(403, FOREIGN), tried(101, labels.THE_SAME_AGAIN)]
LIKE = tried(101, labels.SUFFIXED_ORIGIN, origin="https://shop.test.foreign.test")
HELD = CookieFacts(
    url=TARGET.url,
    cookies=(Cookie(name="session", domain="shop.test", path="/", sent=False, held_back=("SameSite=Strict keeps it from other sites",)),),
)
GREETED, STRANGER = '{"user": "alice", "at": 1}', '{"user": null, "at": 3}'

ROWS: list[tuple[str, list[Observation], str]] = [
    ("cookie that matters", [given(COOKIE), *OPEN, tried(401, FOREIGN, BARE)], "fault"),
    ("cookie that matters, closed without", [given(COOKIE), *OPEN, tried(101, FOREIGN, BARE, ended="close", close_code=4401)], "fault"),
    ("only the own one was tried without", [given(COOKIE), *OPEN, tried(403, BARE)], "fault"),
    ("cookie that changes nothing", [given(COOKIE), *OPEN, tried(101, FOREIGN, BARE)], "unknown"),
    ("not tried without", [given(COOKIE), *OPEN], "unknown"),
    ("busy without", [given(COOKIE), *OPEN, tried(503, FOREIGN, BARE)], "unknown"),
    ("nothing given", [given(), *OPEN], "unknown"),
    ("token alone", [given(TOKEN), *OPEN, tried(401, FOREIGN, BARE)], "clear"),
    ("basic login", [given(BASIC), *OPEN, tried(401, FOREIGN, BARE)], "unknown"),
    ("cookie and token, cookie is enough", [given(COOKIE, TOKEN), *OPEN, tried(101, FOREIGN, AMBIENT), tried(401, FOREIGN, BARE)], "fault"),
    ("cookie and token, both needed", [given(COOKIE, TOKEN), *OPEN, tried(401, FOREIGN, AMBIENT), tried(401, FOREIGN, BARE)], "clear"),
    ("kept on the site", [given(COOKIE), seen(HELD, step="1.2", probe="browser"), *OPEN, tried(401, FOREIGN, BARE)], "unknown"),
    ("foreign refused", [given(COOKIE), *SHUT], "clear"),
    ("foreign let in and closed", [given(COOKIE), tried(101), tried(101, FOREIGN, ended="close", close_code=1008)], "clear"),
    ("look-alike with cookie", [given(COOKIE), *SHUT, LIKE, tried(401, labels.SUFFIXED_ORIGIN, BARE)], "clear fault"),
    ("look-alike, nothing given", [given(), *SHUT, LIKE], "clear fault"),
    ("look-alike, token", [given(TOKEN), *SHUT, LIKE], "clear unknown"),
    ("null with cookie", [given(COOKIE), *SHUT, tried(101, labels.NULL_ORIGIN), tried(401, labels.NULL_ORIGIN, BARE)], "clear fault"),
    ("null, nothing given", [given(), *SHUT, tried(101, labels.NULL_ORIGIN)], "clear unknown"),
    ("foreign too busy", [given(COOKIE), tried(101), tried(429, FOREIGN)], "unknown"),
    ("greeted as the visitor", [
        given(COOKIE),
        tried(101, first_message=GREETED),
        tried(101, FOREIGN, first_message=GREETED),
        tried(101, FOREIGN, BARE, first_message=STRANGER),
        tried(101, labels.THE_SAME_AGAIN, first_message=GREETED.replace("1", "2")),
    ], "fault"),
    ("greeted, and nobody without", [
        given(COOKIE),
        tried(101, first_message=GREETED),
        tried(101, FOREIGN, first_message=GREETED),
        tried(101, FOREIGN, BARE),
        tried(101, labels.THE_SAME_AGAIN, first_message=GREETED.replace("1", "2")),
    ], "fault"),
    ("greeted as a stranger", [
        given(COOKIE),
        tried(101, first_message=GREETED),
        tried(101, FOREIGN, first_message=STRANGER),
        tried(101, labels.THE_SAME_AGAIN, first_message=GREETED.replace("1", "2")),
    ], "clear"),
]  # fmt: skip


@pytest.mark.parametrize(("observations", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_who_gets_in(observations: list[Observation], expected: str) -> None:
    assert verdicts(*observations) == set(expected.split())


def test_without_a_foreign_attempt_nothing_is_said() -> None:
    assert verdicts(given(COOKIE), tried(101)) == set()


def test_a_page_that_is_answered_now_so_and_now_so_is_not_judged() -> None:
    found = findings(tried(101), tried(101, FOREIGN), tried(403, labels.THE_SAME_AGAIN), target=TARGET)
    assert [one.verdict for one in found if one.cause == "origin.not-in-allowlist"] == [Verdict.UNKNOWN]
    assert not [one for one in found if one.cause == SLUG]
