"""Every kind of trigger: what it sends, what its answer says, and how it fails."""

import asyncio
import os
import shlex
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import trustme
from conftest import needs
from redis_server import redis_server
from websockets.asyncio.server import ServerConnection, serve

from wsbook.attempt import Attempt
from wsbook.errors import UsageError
from wsbook.facts import SessionFacts
from wsbook.observation import Observation, Reason
from wsbook.probes.publish import Published, publisher_for, what_is_missing
from wsbook.probes.publish_command import CommandPublisher
from wsbook.probes.publish_redis import channel_of, listening, same_channel
from wsbook.target import Trigger, parse_trigger

NOWHERE = Attempt(url="ws://127.0.0.1:9/ws")
PYTHON = shlex.quote(sys.executable)


def _run(code: str) -> Trigger:
    return Trigger(method="RUN", url="", body=f"{PYTHON} -c {shlex.quote(code)} {{marker}}")


async def _published(trigger: Trigger | None, message: str = "", attempt: Attempt = NOWHERE, mark: str = "wsbook-0-0") -> Published:
    async with publisher_for(trigger, message, attempt, step="4.1") as publisher:
        return await publisher.publish(mark)


@pytest.mark.parametrize(
    ("trigger", "message", "words"),
    [
        ("", "", "--trigger"),
        ("", "hello", "into the message"),
        ("POST http://h/emit x", "", "URL or body"),
        ("SEND ws://h/{marker} x", "", "text of the trigger"),
        ("PUBLISH redis://h/c x", "", "text of the trigger"),
        ("RUN emit x", "", "into the command"),
        ("RUN emit {marker}", "", ""),
        ("POST http://h/{marker}", "", ""),
        ("SEND ws://h/ {marker}", "", ""),
    ],
)
def test_what_has_to_be_given(trigger: str, message: str, words: str) -> None:
    said = what_is_missing(parse_trigger(trigger), message)
    assert (words in said) if words else said == ""


async def test_a_command_gets_the_marker_as_one_argument_and_no_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"import sys; open({str(out)!r}, 'w').write(repr(sys.argv[1:]))"
    done = await _published(Trigger(method="RUN", url="", body=f"{PYTHON} -c {shlex.quote(code)} 'a {{marker}}' $HOME ; touch x"))
    assert done.failure is None and done.answer == "exit code 0" and done.answered_at is not None
    assert out.read_text() == "['a wsbook-0-0', '$HOME', ';', 'touch', 'x']"


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("import sys; sys.stderr.write('\\n no such queue\\nmore'); sys.exit(3)", Reason.MALFORMED, "exit code 3: no such queue"),
        ("import time; time.sleep(60)", Reason.TIMEOUT, "had not ended after 1 s"),
        ("import sys\nwhile True: sys.stderr.write('x' * 65536)", Reason.TOO_LARGE, "more than 4 MB"),
    ],
    ids=["fails", "hangs", "floods"],
)
async def test_commands_that_go_wrong_are_ended_and_told(code: str, reason: Reason, words: str) -> None:
    begin, others = time.monotonic(), _children()
    done = await CommandPublisher(_run(code), timeout_s=1.0).publish("m") if reason is Reason.TIMEOUT else await _published(_run(code))
    assert done.failure is not None and done.failure.reason is reason and words in done.failure.message
    assert time.monotonic() - begin < 8.0
    assert _children() <= others


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE}


async def test_a_command_that_prints_a_gigabyte_costs_us_nothing() -> None:
    code = "import sys; [sys.stdout.buffer.write(bytes(1 << 20)) for _ in range(1000)]"
    before = psutil.Process().memory_info().rss
    done = await _published(_run(code))
    assert done.failure is None and psutil.Process().memory_info().rss - before < 20_000_000


async def test_a_command_that_cannot_be_started_is_told() -> None:
    done = await _published(Trigger(method="RUN", url="", body="/no/such/program {marker}"))
    assert done.failure is not None and done.failure.reason is Reason.TOOL_MISSING and "/no/such/program" in done.failure.message
    with pytest.raises(UsageError, match="cannot be split"):
        await _published(Trigger(method="RUN", url="", body="echo '{marker}"))


async def test_a_command_ends_with_us(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"/bin/sh -c 'sleep 60 & echo $! > {pid}; wait' {{marker}}"
    running = asyncio.ensure_future(_published(Trigger(method="RUN", url="", body=body)))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if pid.exists() and pid.read_text().strip():
            break
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    child = int(pid.read_text())
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("a child of the command lives on")


async def test_a_command_that_leaves_a_child_behind_is_done_when_it_ends_itself() -> None:
    begin = time.monotonic()
    done = await _published(Trigger(method="RUN", url="", body="/bin/sh -c 'sleep 3 & exit 0' {marker}"))
    assert done.failure is None and time.monotonic() - begin < 2.5


async def test_a_command_of_a_record_is_not_started(tmp_path: Path) -> None:
    trigger = Trigger(method="RUN", url="", body=f"/usr/bin/touch {tmp_path}/{{marker}}", foreign=True)
    done = await _published(trigger)
    assert done.failure is not None and done.failure.reason is Reason.NOT_PERMITTED
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240
    assert "--run-command" in what_is_missing(trigger, "")


class Peers:
    """A server that keeps what it gets, per connection, with the request's headers."""

    def __init__(self) -> None:
        self.got: list[list[str]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, peer: ServerConnection) -> None:
        assert peer.request is not None
        mine: list[str] = []
        self.got.append(mine)
        self.headers.append({name.lower(): value for name, value in peer.request.headers.raw_items()})
        async for message in peer:
            mine.append(str(message))
            if "leave" in message:
                return


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_send_has_a_socket_of_its_own(host: str) -> None:
    peers = Peers()
    async with serve(peers, host.strip("[]"), 0) as server:
        port = server.sockets[0].getsockname()[1]
        attempt = Attempt(url=f"ws://{host}:{port}/ws", headers=(("Authorization", "secret"),), origin="http://page")
        trigger = parse_trigger(f'SEND ws://{host}:{port}/in {{"text": "{{marker}}"}}')
        assert (await _published(trigger, attempt=attempt)).failure is None
        assert (await _published(trigger, attempt=NOWHERE.change(headers=attempt.headers))).failure is None
        assert (await _published(None, "plain {marker}", attempt=attempt)).failure is None
    assert peers.got == [['{"text": "wsbook-0-0"}'], ['{"text": "wsbook-0-0"}'], ["plain wsbook-0-0"]]
    assert [headers.get("authorization") for headers in peers.headers] == ["secret", None, "secret"]
    assert peers.headers[0]["origin"] == "http://page"


async def test_send_opens_its_socket_again_and_says_when_it_cannot() -> None:
    peers = Peers()
    async with serve(peers, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with publisher_for(parse_trigger(f"SEND ws://127.0.0.1:{port}/ leave {{marker}}"), "", NOWHERE, step="4.1") as publisher:
            assert (await publisher.publish("a")).failure is None
            await asyncio.sleep(0.2)
            assert (await publisher.publish("b")).failure is None
            await asyncio.sleep(0.1)
            server.close()
            await server.wait_closed()
            done = await publisher.publish("c")
    assert peers.got == [["leave a"], ["leave b"]]
    assert done.failure is not None and done.failure.stage == "trigger" and "did not open" in done.failure.message


async def test_a_spare_socket_is_taken_where_none_of_its_own_opens() -> None:
    class Spare:
        sent: list[str] = []  # noqa: RUF012

        async def send(self, data: str, /) -> bool:
            self.sent.append(data)
            return True

    async with publisher_for(None, "x {marker}", NOWHERE, step="4.1", spare=Spare()) as publisher:
        assert (await publisher.publish("m")).failure is None
    assert Spare.sent == ["x m"]


@needs("redis-server")
async def test_redis_publishes_listens_and_counts_who_got_it(redis_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "pass:word")
    url = f"redis://:${{env:REDIS_PASSWORD}}@127.0.0.1:{redis_port}/app:news"
    trigger, got = Trigger(method="PUBLISH", url=url, body='{"text": "{marker}"}'), list[bytes]()
    assert (await _published(trigger)).receivers == 0
    async with listening(url, lambda data, at: got.append(data)) as one, listening(url.replace("news", "*"), lambda data, at: None):
        assert one.failure is None
        done = await _published(trigger)
        await asyncio.sleep(0.1)
    assert done.receivers == 2 and done.answer == "given to 2 subscribers" and got == [b'{"text": "wsbook-0-0"}']


@needs("redis-server")
async def test_redis_that_refuses_is_told_without_its_password(redis_port: int) -> None:
    done = await _published(Trigger(method="PUBLISH", url=f"redis://:wrong-secret@127.0.0.1:{redis_port}/c", body="{marker}"))
    assert done.failure is not None and done.failure.stage == "trigger" and "wrong-secret" not in done.failure.message
    async with listening(f"redis://127.0.0.1:{redis_port}/c", lambda data, at: None) as channel:
        assert channel.failure is not None and channel.failure.stage == "broker"


@needs("redis-server")
async def test_redis_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    files = [str(tmp_path / name) for name in ("server.pem", "server.pem", "ca.pem")]
    options = [f"--tls-{name}-file" for name in ("cert", "key", "ca-cert")]
    secure = [word for pair in zip(options, files, strict=True) for word in pair]
    with redis_server(tmp_path, *secure, "--tls-auth-clients", "no") as port:
        trigger = Trigger(method="PUBLISH", url=f"rediss://:pass%3Aword@127.0.0.1:{port}/c", body="{marker}")
        trusted = await _published(trigger, attempt=NOWHERE.change(ca_file=str(tmp_path / "ca.pem")))
        stranger = await _published(trigger)
    assert trusted.failure is None and trusted.receivers == 0
    assert stranger.failure is not None and "certificate" in stranger.failure.message


async def test_redis_that_is_not_there_or_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = Trigger(method="PUBLISH", url="redis://127.0.0.1:9/c", body="{marker}")
    done = await _published(trigger)
    assert done.failure is not None and done.failure.reason is Reason.REFUSED
    for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "redis", None)
    done = await _published(trigger)
    assert done.failure is not None and done.failure.reason is Reason.TOOL_MISSING and "wsbook[redis]" in done.failure.message


def test_channels_are_paths_of_urls() -> None:
    assert channel_of("redis://h/app:events%23/x") == "app:events#/x"
    assert same_channel("redis://h/c", "redis://user:x@h:6379/c") and not same_channel("redis://h/c", "redis://h/d")


@pytest.mark.parametrize(("code", "told"), [(1009, [1009]), (1011, [1011]), (4401, [4401]), (1000, []), (1013, [])])
async def test_a_server_that_closes_the_socket_for_its_message_is_told(code: int, told: list[int]) -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(code, "no")

    ends: list[Observation] = []
    async with serve(handler, "127.0.0.1", 0) as server:
        attempt = Attempt(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        async with publisher_for(None, "x {marker}", attempt, step="4.1", on_end=ends.append) as publisher:
            await publisher.publish("m1")
            await asyncio.sleep(0.2)
    assert [seen.facts.close_code for seen in ends if isinstance(seen.facts, SessionFacts)] == told
    assert all((seen.source.step, seen.source.probe) == ("4.1", "session") for seen in ends)
