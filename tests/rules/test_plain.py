"""ws fails, wss passes."""

import pytest
from observations import answer, failed, findings

from wsbook.attempt import NO_UPGRADE, OTHER_SCHEME
from wsbook.finding import Verdict
from wsbook.observation import Observation, Reason
from wsbook.target import parse_target

SLUG = "net.corporate-proxy-blocks"
TARGET = parse_target("ws://shop.test/ws", hops=["app=ws://10.0.0.5:8000/ws"])
SECURE = answer(101, changed=OTHER_SCHEME, url="wss://shop.test/ws")
VIA = (("Via", "1.1 gate (squid/5.7)"),)
CDN = (("Via", "1.1 varnish"),)
ROWS = [
    ("a client's proxy", [answer(400, headers=VIA), SECURE], Verdict.FAULT),
    ("some proxy", [answer(400, headers=CDN), SECURE], Verdict.UNKNOWN),
    ("a proxy on both", [answer(400, headers=VIA), answer(101, headers=VIA, changed=OTHER_SCHEME, url="wss://shop.test/ws")], None),
    ("reset, a GET passes", [failed("upgrade", Reason.RESET), answer(404, changed=NO_UPGRADE), SECURE], Verdict.FAULT),
    ("reset, a GET too", [failed("upgrade", Reason.RESET), failed("upgrade", Reason.RESET, changed=NO_UPGRADE), SECURE], None),
    ("the inner hop takes plain ones", [answer(404), SECURE, answer(101, hop="app")], Verdict.UNKNOWN),
    ("redirected to TLS", [answer(301, headers=VIA), SECURE], None),
    ("another site", [answer(404), SECURE], None),
    ("both work", [answer(101), SECURE], None),
    ("both fail", [answer(400, headers=VIA), answer(400, changed=OTHER_SCHEME, url="wss://shop.test/ws")], None),
    ("TLS was not tried", [answer(400, headers=VIA)], None),
]


@pytest.mark.parametrize(("observations", "verdict"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_plain_against_secure(observations: list[Observation], verdict: Verdict | None) -> None:
    found = [one for one in findings(*observations, target=TARGET) if one.cause == SLUG]
    assert ([one.verdict for one in found] or [None])[0] is verdict
