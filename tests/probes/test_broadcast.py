"""Broadcasts over servers that miss, double and swap, and over two instances without a bus."""

import asyncio
import http
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.facts import BroadcastFacts
from wsbook.observation import Observation, Outcome, Reason
from wsbook.probes import broadcast
from wsbook.probes.broadcast import probe_broadcast
from wsbook.probes.instances import instance_of, named_by, signals_of, withheld
from wsbook.probes.marker import find_markers, insert_marker, marker, run_marker
from wsbook.target import Trigger


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "_SETTLE_S", 0.3)


@dataclass
class Room:
    """A server that sends every message to everybody in its room; ``fault`` spoils that."""

    fault: str = ""
    instances: int = 1
    rooms: dict[int, list[ServerConnection]] = field(default_factory=dict)
    joined: int = 0
    published: int = 0
    held: str = ""
    posts: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, peer: ServerConnection) -> None:
        number = self.joined
        self.joined += 1
        instance = number % self.instances
        self.rooms.setdefault(instance, []).append(peer)
        if self.fault == "half-dead" and number == 1:
            self.rooms[instance].remove(peer)  # open, never told anything
        async for message in peer:
            await self.tell(instance, str(message))
        if self.fault != "dead-stays":
            self.rooms[instance] = [other for other in self.rooms[instance] if other is not peer]

    async def tell(self, instance: int, message: str) -> None:
        number, self.published = self.published, self.published + 1
        texts = [message]
        if self.fault == "drops" and number % 5 == 4:
            texts = []
        elif self.fault == "doubles" and number % 5 == 2:
            texts = [message, message]
        elif self.fault == "swaps" and number % 5 == 1:
            self.held, texts = message, []
        elif self.held:
            texts, self.held = [message, self.held], ""
        for peer in list(self.rooms.get(instance, [])):
            if self.fault == "dead-stays" and peer.state.name != "OPEN":
                return  # the loop dies at the first broken subscriber
            for text in texts:
                await peer.send(text)


@asynccontextmanager
async def serving(room: Room) -> AsyncIterator[tuple[str, str]]:
    """Yield (socket URL, trigger URL); the trigger publishes on instance 0."""
    tasks: set[asyncio.Task[None]] = set()

    def headers(connection: ServerConnection, request: Any, response: Any) -> None:
        response.headers["X-Instance"] = f"node-{(room.joined) % room.instances}"

    def trigger(connection: ServerConnection, request: Any) -> Any:
        if not request.path.startswith("/emit"):
            return None
        room.posts.append(dict(request.headers))
        if room.fault == "trigger-refuses":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no")
        task = asyncio.ensure_future(room.tell(0, "{'event': '" + request.path.partition("=")[2] + "'}"))
        tasks.add(task)
        return connection.respond(http.HTTPStatus.OK, "sent")

    async with serve(room.handle, "127.0.0.1", 0, process_request=trigger, process_response=headers) as running:
        port = running.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/live", f"http://127.0.0.1:{port}/emit?m={{marker}}"
        await asyncio.gather(*tasks)


async def _by_message(room: Room, subscribers: int = 4, messages: int = 10, **options: Any) -> Observation:
    async with serving(room) as (url, _):
        return await probe_broadcast(
            Attempt(url=url),
            subscribers=subscribers,
            messages=messages,
            trigger=None,
            message='{"text": "{marker}"}',
            step="3.2",
            **options,
        )


def _facts(seen: Observation) -> BroadcastFacts:
    assert isinstance(seen.facts, BroadcastFacts)
    return seen.facts


@pytest.mark.parametrize(
    ("fault", "received", "missed", "duplicated", "reordered"),
    [
        ("", 10, (), (), 0),
        ("drops", 8, (4, 9), (), 0),
        ("doubles", 10, (), (2, 7), 0),
        ("swaps", 10, (), (), 2),
    ],
)
async def test_what_every_subscriber_got(
    fault: str, received: int, missed: tuple[int, ...], duplicated: tuple[int, ...], reordered: int
) -> None:
    facts = _facts(await _by_message(Room(fault)))
    assert (facts.messages, facts.publisher, len(facts.subscribers)) == (10, 0, 4)
    for subscriber in facts.subscribers:
        assert (subscriber.received, subscriber.missed, subscriber.duplicated, subscriber.reordered) == (
            received,
            missed,
            duplicated,
            reordered,
        )


async def test_two_instances_without_a_bus_split_the_subscribers() -> None:
    facts = _facts(await _by_message(Room(instances=2), subscribers=6))
    assert facts.publisher_instance == "node-0"
    assert {(s.instance, s.received) for s in facts.subscribers} == {("node-0", 10), ("node-1", 0)}
    assert facts.subscribers[1].missed == tuple(range(10))


async def test_a_half_dead_subscriber_stands_out() -> None:
    facts = _facts(await _by_message(Room("half-dead")))
    assert [s.received for s in facts.subscribers] == [10, 0, 10, 10]


async def test_a_broken_subscriber_stops_those_after_it() -> None:
    healthy, broken = Room("dead-stays"), Room("dead-stays")
    assert {s.received for s in _facts(await _by_message(healthy)).subscribers} == {10}
    seen = await _by_message(broken, break_one=True)
    assert [s.received for s in _facts(seen).subscribers] == [10, 10, 0, 0]
    assert seen.source.changed == ("one subscriber broken off",)


async def test_a_trigger_publishes_with_the_attempts_headers_to_its_own_host_only() -> None:
    async with serving(room := Room()) as (url, trigger), serving(other := Room()) as (_, elsewhere):
        attempt = Attempt(url=url, headers=(("Authorization", "Bearer x"),), origin="http://page.test")
        own = await probe_broadcast(attempt, subscribers=3, messages=4, trigger=Trigger(method="GET", url=trigger), message="", step="3.2")
        await probe_broadcast(attempt, subscribers=1, messages=1, trigger=Trigger(method="GET", url=elsewhere), message="", step="3.2")
    facts = _facts(own)
    assert facts.publisher is None and [s.received for s in facts.subscribers] == [4, 4, 4]
    assert room.posts[0]["authorization"] == "Bearer x" and room.posts[0]["origin"] == "http://page.test"
    assert "authorization" not in other.posts[0]


@pytest.mark.parametrize("kind", ["socket", "command"])
async def test_every_kind_of_trigger_publishes(kind: str) -> None:
    async with serving(Room()) as (url, trigger):
        fetch = f"import sys, urllib.request as u; u.urlopen({trigger!r}.replace('{{marker}}', sys.argv[1]))"
        given = {
            "socket": Trigger(method="SEND", url=url, body='{"id": "{marker}"}'),
            "command": Trigger(method="RUN", url="", body=f"{shlex.quote(sys.executable)} -c {shlex.quote(fetch)} {{marker}}"),
        }[kind]
        seen = await probe_broadcast(Attempt(url=url), subscribers=3, messages=2, trigger=given, message="", step="3.2")
    assert seen.failure is None and isinstance(seen.facts, BroadcastFacts)
    assert [(one.received, one.missed) for one in seen.facts.subscribers] == [(2, ())] * 3 and seen.facts.publisher is None


async def test_a_trigger_that_fails_is_kept_beside_what_was_received() -> None:
    async with serving(Room("trigger-refuses")) as (url, trigger):
        seen = await probe_broadcast(
            Attempt(url=url), subscribers=2, messages=3, trigger=Trigger(method="GET", url=trigger), message="", step="3.2"
        )
    assert seen.failure is not None and "401" in seen.failure.message and seen.failure.stage == "trigger"
    assert [s.received for s in _facts(seen).subscribers] == [0, 0]


async def test_a_trigger_that_nobody_answers_publishes_nothing() -> None:
    async with serving(Room()) as (url, _):
        nowhere = Trigger(method="POST", url="http://127.0.0.1:9/", body="{marker}")
        seen = await probe_broadcast(Attempt(url=url), subscribers=2, messages=3, trigger=nowhere, message="", step="3.2")
    assert seen.failure is not None and seen.failure.reason is Reason.REFUSED
    assert _facts(seen).messages == 0


async def test_an_echo_reaches_only_the_publisher() -> None:
    async def echo(peer: ServerConnection) -> None:
        async for message in peer:
            await peer.send(message)

    async with serve(echo, "127.0.0.1", 0) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
        seen = await probe_broadcast(Attempt(url=url), subscribers=3, messages=2, trigger=None, message="{marker}", step="3.2")
    assert [s.received for s in _facts(seen).subscribers] == [2, 0, 0]


@pytest.mark.parametrize(
    ("trigger", "message", "words"),
    [
        (None, "", "--trigger"),
        (None, "hello", "{marker} into the message"),
        (Trigger(method="POST", url="http://127.0.0.1:9/"), "", "body of the trigger"),
    ],
)
async def test_what_must_be_given_is_said(trigger: Trigger | None, message: str, words: str) -> None:
    seen = await probe_broadcast(Attempt(url="ws://127.0.0.1:9/"), subscribers=2, messages=2, trigger=trigger, message=message, step="3.2")
    assert seen.outcome is Outcome.NOT_RUN and seen.failure.reason is Reason.NOT_GIVEN and words in seen.failure.message


async def test_nobody_there_and_the_limit_of_subscribers() -> None:
    gone = await probe_broadcast(Attempt(url="ws://127.0.0.1:9/"), subscribers=2, messages=2, trigger=None, message="{marker}", step="3.2")
    assert gone.outcome is Outcome.FAILED and gone.facts is None
    assert len(_facts(await _by_message(Room(), subscribers=99, messages=1)).subscribers) == 16
    assert len(_facts(await _by_message(Room(), subscribers=20, messages=1, owned=True)).subscribers) == 20


@pytest.mark.parametrize(
    ("headers", "instance"),
    [
        ((("X-Instance", "a-1"),), "a-1"),
        ((("Server-Timing", 'total;dur=3, host;desc="web-2"'),), "web-2"),
        ((("Server-Timing", 'host;desc="web-2"'),), "web-2"),
        ((("Set-Cookie", "SERVERID=s2; path=/"),), "s2"),
        ((("Set-Cookie", "JSESSIONID=ABC.node7; Path=/"),), "node7"),
        ((("Set-Cookie", "AWSALB=xyz; Path=/"), ("Date", "now")), ""),
        ((("set-cookie", "route=r1"), ("x-pod-name", "api-5f")), "api-5f"),
        ((("X-Upstream-Addr", "10.0.0.1:80, 10.0.0.2:80"),), "10.0.0.2:80"),
        ((("X-Served-By", "cache-fra-eddf8230100-FRA"),), ""),
        ((("Set-Cookie", "INGRESSCOOKIE=1700000000.1.23.456|abc; Path=/"),), ""),
        ((("Set-Cookie", "app_affinity=7; Path=/"),), "7"),
        ((("Set-Cookie", "ROUTEID=.node2; path=/"),), "node2"),
        ((), ""),
    ],
)
def test_instances_are_read_from_headers(headers: tuple[tuple[str, str], ...], instance: str) -> None:
    assert instance_of(headers) == instance


@pytest.mark.parametrize(
    ("cookie", "path", "secure", "why"),
    [
        ("route=a", "/ws", False, {}),
        ("route=a; Path=/; HttpOnly", "/ws", False, {}),
        ("route=a; Path=/ws", "/ws", False, {}),
        ("route=a; Path=/ws", "/ws/live", False, {}),
        ("route=a; Path=/ws", "/wsx", False, {"route": "Path=/ws"}),
        ("route=a; Path=/app/", "/ws", True, {"route": "Path=/app/"}),
        ("route=a; Secure; SameSite=None", "/ws", False, {"route": "Secure"}),
        ("route=a; Secure", "/ws", True, {}),
        ("route=a; Path", "/ws", True, {}),
        ("nonsense", "/ws", True, {}),
    ],
)
def test_cookies_that_do_not_go_along(cookie: str, path: str, secure: bool, why: dict[str, str]) -> None:
    assert withheld((("Set-Cookie", cookie),), path, secure) == why


@pytest.mark.parametrize(
    ("message", "signs"),
    [
        ('{"type": "hello", "pid": 7}', {"first message pid": "7"}),
        ('{"server": {"hostname": "web-1", "time": 3}}', {"first message hostname": "web-1"}),
        ('{"worker_id": "w2", "pid": true}', {"first message workerid": "w2"}),
        ('{"data": [{"pid": 7}]}', {}),
        ("[7]", {}),
        ('{"pid": ', {}),
        ("hello", {}),
    ],
)
def test_instances_are_read_from_a_first_message(message: str, signs: dict[str, str]) -> None:
    assert signals_of((), message) == signs


@pytest.mark.parametrize(
    ("answers", "sign"),
    [
        ([{"header x-server": "edge", "header x-pid": name} for name in "ababab"], "header x-pid"),
        ([{"header x-pid": str(number)} for number in range(6)], ""),  # new in each answer
        ([{"header x-pid": str(number)} for number in range(4)], "header x-pid"),
        ([{"header x-pid": "a"}, {}, {}, {}], ""),
        ([{"header x-server": "a", "cookie srv": "a"}] * 4, "header x-server"),
        ([], ""),
    ],
)
def test_the_sign_that_tells_most_is_taken(answers: list[dict[str, str]], sign: str) -> None:
    assert named_by(answers) == sign


@given(st.lists(st.tuples(st.sampled_from(["Set-Cookie", "Server-Timing", "X-Instance"]), st.text(max_size=300)), max_size=5))
def test_hostile_headers_give_a_short_name(headers: list[tuple[str, str]]) -> None:
    assert len(instance_of(tuple(headers))) <= 60


@given(st.text(max_size=60), st.lists(st.integers(0, 999_999), max_size=6, unique=True))
def test_markers_are_found_again_in_any_text(noise: str, numbers: list[int]) -> None:
    run = run_marker()
    template = f"{noise}|{{marker}}|{noise}" if "{marker}" not in noise else "|{marker}|"
    text = "".join(insert_marker(template, marker(run, number)) for number in numbers)
    assert find_markers(text, run) == numbers
    assert find_markers(text.encode("utf-8", "replace"), run) == numbers
    assert find_markers(text, run_marker()) == []
