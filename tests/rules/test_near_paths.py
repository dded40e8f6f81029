"""Paths that differ by a slash or by letters."""

import pytest
from observations import answer, findings, roots

from wsbook.attempt import LOWER_PATH, SINGLE_SLASHES, WITH_SLASH, WITHOUT_SLASH
from wsbook.finding import Verdict
from wsbook.target import parse_target

SLUG = "endpoint.wrong-path"


@pytest.mark.parametrize(
    ("dialled", "label", "other"),
    [
        ("/feed", WITH_SLASH, "/feed/"),
        ("/feed/", WITHOUT_SLASH, "/feed"),
        ("//feed", SINGLE_SLASHES, "/feed"),
        ("/Feed", LOWER_PATH, "/feed"),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404, 200, 500])
def test_a_near_path_is_accepted(dialled: str, label: str, other: str, status: int) -> None:
    target = parse_target(f"ws://shop.test{dialled}")
    own, near = answer(status, url=target.url), answer(101, changed=label, url=f"ws://shop.test{other}")
    assert roots(own, near, target=target)[0] == SLUG
    assert SLUG not in [one.cause for one in findings(own, answer(404, changed=label), target=target) if one.confidence > 0.9]


@pytest.mark.parametrize(
    ("status", "near"),
    [(404, None), (101, 101), (101, 404), (301, 101), (308, 101)],
    ids=["not tried", "both", "only the own", "redirected", "redirected for good"],
)
def test_a_path_that_is_right_or_not_known_to_be_wrong(status: int, near: int | None) -> None:
    target = parse_target("ws://shop.test/feed")
    seen = [answer(status, url=target.url, headers=(("Location", "/feed/"),) if status in (301, 308) else ())]
    seen += [answer(near, changed=WITH_SLASH, url=f"{target.url}/")] if near else []
    assert not [
        one for one in findings(*seen, target=target) if one.cause == SLUG and one.verdict is Verdict.FAULT and one.confidence > 0.9
    ]
