"""Redirects are followed one by one, a loop is seen, and nothing secret goes to another place."""

import pytest
from misbehaving import Behave, head, misbehaving, says
from msgspec.structs import replace

from wsbook.attempt import REDIRECTED, Attempt
from wsbook.errors import UsageError
from wsbook.facts import RedirectFacts, UpgradeFacts
from wsbook.observation import Observation
from wsbook.probes.redirects import _Unfollowed, follow_redirects, next_attempt
from wsbook.probes.upgrade import probe_upgrade

SECRETS = Attempt(
    url="wss://user:pass@shop.example/ws?room=1&token=hunter22",
    headers=(("Cookie", "sid=abc"), ("Authorization", "Bearer abc"), ("X-Custom", "abc"), ("User-Agent", "me")),
    subprotocols=("chat", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
)
EVERYTHING = ("Cookie", "Authorization", "X-Custom", "the URL's user and password", "a subprotocol")


def to(location: str, status: int = 302) -> Behave:
    return says(f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode(), then="keep")


async def follow(attempt: Attempt) -> tuple[list[Observation], RedirectFacts]:
    *hops, chain = await follow_redirects(attempt, await probe_upgrade(attempt, step="1.3"), step="1.3")
    assert isinstance(chain.facts, RedirectFacts)
    return hops, chain.facts


def attempt(url: str, **fields: object) -> Attempt:
    return Attempt(**{"url": url, "timeout_s": 1.0, "first_message_s": 0.01, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_last_url_is_asked_too(status: int) -> None:
    async with misbehaving(old=to("/middle", status), middle=to("good", status)) as server:
        hops, chain = await follow(attempt(server.url("/old")))
    assert [hop.source.changed for hop in hops] == [(f"{REDIRECTED}1",), (f"{REDIRECTED}2",)]
    assert {hop.source.hop for hop in hops} == {"redirect"}
    assert (chain.ended, chain.final_status, chain.final_url) == ("accepted", 101, server.url("/good"))
    assert [(hop.status, hop.location) for hop in chain.hops] == [(status, "/middle"), (status, "good")]


@pytest.mark.parametrize(
    ("location", "ended", "tried"),
    [
        ("/old", "loop", 1),
        ("/there", "loop", 2),
        ("/1", "too many", 6),
        ("/missing", "answered", 2),
        ("ftp://127.0.0.1/ws", "not followed", 1),
        ("//[", "not followed", 1),
        ("/x?y=${env:HOME}", "not followed", 1),
    ],
)
async def test_chains_end(location: str, ended: str, tried: int) -> None:
    numbered = {str(n): to(f"/{n + 1}") for n in range(1, 9)}
    async with misbehaving(old=to(location), there=to("/old"), **numbered) as server:
        hops, chain = await follow(attempt(server.url("/old")))
        assert len(server.requests) == tried
    assert (chain.ended, len(hops)) == (ended, tried - 1)
    assert len(chain.hops) <= 6


async def test_an_upgrade_that_is_not_redirected_has_no_chain() -> None:
    async with misbehaving() as server:
        first = attempt(server.url("/good"))
        assert await follow_redirects(first, await probe_upgrade(first, step="1.3"), step="1.3") == []


async def test_secrets_stay_where_they_belong() -> None:
    async with misbehaving(there=says(head(), then="keep")) as other:
        async with misbehaving(old=to(f"{other.url('/there', scheme='http')}?token=hunter22&room=1")) as server:
            url = server.url("/old?token=hunter22&room=1").replace("://", "://user:pass@")
            _, chain = await follow(attempt(url, headers=(("Cookie", "sid=abc"), ("X-Key", "abc"))))
        (request,) = other.requests
    assert (chain.ended, chain.final_url) == ("accepted", other.url("/there?room=1"))
    assert b"cookie" not in request.lower() and b"abc" not in request and b"authorization" not in request.lower()
    assert b"hunter22" not in request and b"pass" not in request
    assert chain.hops[0].withheld == ("Cookie", "X-Key", "the URL's user and password", "a part of the query")


async def test_the_same_place_gets_them_again() -> None:
    async with misbehaving(old=to("/good")) as server:
        await follow(attempt(server.url("/old").replace("://", "://user:pass@"), headers=(("Cookie", "sid=abc"),)))
        assert [b"sid=abc" in request and b"Basic dXNlcjpwYXNz" in request for request in server.requests] == [True, True]


@pytest.mark.parametrize(
    ("location", "url", "withheld"),
    [
        ("/live", "wss://user:pass@shop.example/live", ()),
        ("https://shop.example/live?token=x", "wss://user:pass@shop.example/live?token=x", ()),
        ("https://other:secret@shop.example/live", "wss://user:pass@shop.example/live", ()),
        ("https://shop.example:8443/live", "wss://shop.example:8443/live", EVERYTHING),
        ("http://shop.example/live", "ws://shop.example/live", EVERYTHING),
        ("http://shop.example:443/live", "ws://shop.example:443/live", EVERYTHING),
        ("https://www.shop.example/live", "wss://www.shop.example/live", EVERYTHING),
        ("https://evil.example/?room=1&t=hunter22", "wss://evil.example/?room=1", (*EVERYTHING[:4], "a part of the query", EVERYTHING[4])),
        ("//evil.example/ws#there", "wss://evil.example/ws", EVERYTHING),
    ],
)
def test_what_goes_along(location: str, url: str, withheld: tuple[str, ...]) -> None:
    followed, kept = next_attempt(SECRETS, location, 1)
    assert (followed.url, kept) == (url, withheld)
    if withheld:
        assert followed.headers == (("User-Agent", "me"),)
        assert followed.subprotocols == ("chat",)
    else:
        assert (followed.headers, followed.subprotocols) == (SECRETS.headers, SECRETS.subprotocols)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "192.168.1.1", "localhost.", "2130706433", "127.1", "0x7f.0x1"],
)
def test_nobody_outside_leads_us_inside(host: str) -> None:
    with pytest.raises(_Unfollowed, match="inner network"):
        next_attempt(SECRETS, f"http://{host}/latest", 1)


@pytest.mark.parametrize("location", ["/${env:HOME}", "https://evil.example/?x=${file:/etc/passwd}", "env:HOME", "/?a=env:HOME"])
def test_a_location_reads_no_secret_of_ours(location: str) -> None:
    with pytest.raises(_Unfollowed, match="secret"):
        next_attempt(SECRETS, location, 1)


@pytest.mark.parametrize("location", ["https://sh op/", "https://shop.example:0/"])
def test_a_location_that_is_no_url(location: str) -> None:
    with pytest.raises((UsageError, _Unfollowed)):
        next_attempt(SECRETS, location, 1)


def test_an_address_and_names_belong_to_the_first_url_only() -> None:
    pinned = replace(SECRETS, address="192.0.2.1", server_name="shop.example", host_header="shop.example")
    followed, _ = next_attempt(pinned, "https://www.shop.example/", 1)
    assert (followed.address, followed.server_name, followed.host_header) == (None, None, None)
    assert UpgradeFacts(url=followed.url, accepted=False).url == "wss://www.shop.example/"
