"""A token's own claim against the time of the attempt."""

import pytest
from msgspec.structs import replace
from observations import FOREIGN, TARGET, answer, findings, seen

from wsbook.facts import Credential, CredentialFacts
from wsbook.finding import Verdict
from wsbook.observation import Observation

SLUG, NOW = "auth.token-expired-on-reconnect", 1_800_000_000.0


def token(expires_at: float | None) -> Observation:
    held = Credential(place="query", name="token", expires_at=expires_at)
    return seen(CredentialFacts(url=TARGET.url, credentials=(held,), at=NOW), step="3.3", probe="credentials")


@pytest.mark.parametrize(
    ("observations", "verdict"),
    [
        ([token(NOW - 90_000), answer(401)], Verdict.FAULT),
        ([token(NOW - 5), answer(403)], Verdict.FAULT),
        ([token(NOW + 3_600), answer(401)], Verdict.CLEAR),
        ([token(NOW - 5), answer(101)], None),
        ([token(NOW - 5), answer(502)], None),
        ([token(NOW - 5), answer(403), answer(101, changed=FOREIGN, step="3.3")], None),
        ([token(None), answer(401)], None),
        ([token(NOW - 5)], None),
    ],
)
def test_expiry(observations: list[Observation], verdict: Verdict | None) -> None:
    ids = {one.id for one in observations if one.facts is not None and isinstance(one.facts, CredentialFacts)}
    own = [found for found in findings(*observations) if found.cause == SLUG and any(one.observation in ids for one in found.evidence)]
    assert [found.verdict for found in own] == ([verdict] if verdict else [])


def test_a_refusal_in_words_after_the_101() -> None:
    said = '{"event":"pusher:error","data":{"code":4001,"message":"Application key x does not exist."}}'
    opened = answer(101, step="3.3")
    told = replace(opened, facts=replace(opened.facts, first_message=said, ended="close", close_code=4001))  # type: ignore[type-var]
    assert [one.verdict for one in findings(told) if one.cause == "auth.app-key-mismatch"] == [Verdict.FAULT]
    assert not [one for one in findings(opened) if one.cause == "auth.app-key-mismatch"]


def test_the_words_tell_how_long_ago() -> None:
    (found,) = [one for one in findings(token(NOW - 260_000), answer(401)) if one.cause == SLUG]
    assert "until 3 days before" in found.summary
