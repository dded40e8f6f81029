"""Each fault shows its symptom on the wire, to clients that are not ours, and leaves its traces in the logs."""

import asyncio
import json
import ssl
import subprocess
import urllib.request
from difflib import unified_diff
from typing import Any

import psutil
import pytest
from conftest import needs
from lab.lab_client import answer_of, eventually, http, lifetime, log, open_socket, original, publish, received
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from wsbook.causes import causes
from wsbook.errors import UsageError
from wsbook.lab import FAULTS, STACKS, Fault, start_lab
from wsbook.lab.faults import edit_text, find_fault
from wsbook.lab.proxies import CONFIGS
from wsbook.secret import resolve

_MARKS = {"caddy": (), **{name: (needs(name),) for name in ("nginx", "haproxy", "apache")}}


def on(slug: str, *proxies: str) -> list[Any]:
    """Return one test case for each proxy that can show the fault, or for those named."""
    return [pytest.param(slug, name, marks=_MARKS[name], id=f"{slug}-{name}") for name in proxies or FAULTS[slug].proxies]


@pytest.mark.parametrize("fault", [*FAULTS.values(), *STACKS.values()], ids=[*FAULTS, *STACKS])
def test_declarations_change_what_they_say(fault: Fault) -> None:
    for file in {edit.file for edit in fault.edits}:
        before, after = original(fault, file), edit_text(fault, file, original(fault, file))
        assert list(unified_diff(before.splitlines(), after.splitlines()))
        if file.endswith(".py"):
            compile(after, file, "exec")
    assert fault.edits or fault.tls or fault.origins or fault.host or fault.relay or fault.visited or (fault.healthy and _is_other(fault))
    assert fault.healthy or fault.named in causes()
    assert fault.named != fault.cause or fault.slug not in causes()
    assert fault.proxies


def _is_other(stack: Fault) -> bool:
    return bool(stack.server) or stack.proxies != find_fault("").proxies


REFUSALS = [
    ("proxy.upgrade-header-missing", (), 426, "Connection header", 101),
    ("proxy.upstream-unreachable", ("caddy", "nginx"), 502, "", 101),
    ("proxy.upstream-unreachable", ("haproxy", "apache"), 503, "", 101),
    ("proxy.path-rewrite-wrong", (), 404, "no route for /\n", 101),
    ("proxy.ws-location-missing", (), 200, "<title>Ticker</title>", 101),
    ("proxy.set-header-inheritance-lost", (), 426, "Connection header", 101),
    ("proxy.http-1.0-upstream", (), 505, "HTTP/1.0", 101),
    ("origin.not-in-allowlist", ("caddy",), 403, "invalid Origin", 403),
    ("origin.proxy-rewrites-host", (), 403, "is not allowed on", 403),
    ("endpoint.wrong-path", ("caddy",), 404, "no route for /live", 404),
    ("endpoint.protocol-library-mismatch", ("caddy",), 404, "no route for /socket.io/", 404),
    ("backend.ws-library-missing", ("caddy",), 404, "Not Found", 404),
    ("handshake.redirected", (), 301, "", 101),
    ("auth.token-not-sent", ("caddy",), 401, "a token is required", 401),
    ("subprotocol.not-offered", ("caddy",), 400, "", 400),
    ("proxy.forwarded-headers-wrong", (), 301, "https only", 301),
    ("backend.upgrade-header-exact-compare", ("nginx",), 400, "bad request", 101),
    ("proxy.security-layer-blocks", (), 403, "", 101),
    ("proxy.hop-lacks-websocket-support", (), 400, "missing Sec-WebSocket-", 101),
    ("proxy.h2-to-upstream", ("caddy",), 502, "", 101),
    ("proxy.apache-wstunnel-not-loaded", (), 500, "", 101),
    ("proxy.apache-rule-order", (), 426, "Connection header", 101),
]


@pytest.mark.parametrize(
    ("slug", "proxy", "status", "words", "direct"),
    [
        pytest.param(*case.values, status, words, direct, marks=case.marks, id=case.id)
        for slug, proxies, status, words, direct in REFUSALS
        for case in on(slug, *proxies)
    ],
)
async def test_refusals(slug: str, proxy: str, status: int, words: str, direct: int) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        code, body, _ = await answer_of(lab)
        assert (code, words in body) == (status, True)
        assert (await answer_of(lab, lab.hops["app"]))[0] == direct


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("tls.cert-expired", "certificate has expired"),
        ("tls.hostname-mismatch", "not valid for 'localhost'"),
        ("tls.self-signed", "self-signed certificate"),
        ("tls.incomplete-chain", "unable to get local issuer"),
        ("endpoint.tls-to-plain-port", ""),
    ],
)
async def test_tls_fails(slug: str, words: str) -> None:
    with start_lab(slug) as lab:
        assert lab.url.startswith("wss://")
        with pytest.raises(ssl.SSLError) as failure:
            await answer_of(lab)
        assert words in str(failure.value)
        assert (await answer_of(lab, lab.hops["app"]))[0] == 101


@pytest.mark.parametrize(("slug", "proxy"), [*on("tls.version-or-cipher-mismatch"), *on("tls.sni-missing")])
async def test_tls_is_refused_with_an_alert(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        with pytest.raises(ssl.SSLError) as failure:
            await answer_of(lab)
        assert "alert" in str(failure.value).lower() or "UNRECOGNIZED" in str(failure.value)
        if slug == "tls.sni-missing":
            assert (await answer_of(lab, lab.url.replace("127.0.0.1", "localhost")))[0] == 101


@needs("openssl")
@pytest.mark.parametrize(("slug", "proxy"), on("tls.client-cert-requested"))
async def test_a_client_certificate_is_asked_for(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        assert (await answer_of(lab))[0] == 101
        argv = ["openssl", "s_client", "-connect", lab.url.split("/")[2], "-servername", "localhost"]
        shown = await asyncio.to_thread(subprocess.run, argv, input=b"", capture_output=True, timeout=5)
        assert b"No client certificate CA names sent" not in shown.stdout or proxy == "caddy"
        assert b"Client Certificate Types" in shown.stdout or b"Requested Signature Algorithms" in shown.stdout


@needs("curl")
@pytest.mark.parametrize(("slug", "proxy"), on("tls.alpn-h2-negotiated"))
async def test_http2_is_answered_otherwise(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        assert (await answer_of(lab))[0] == 101
        argv = ["curl", "-sko", "/dev/null", "-w", "%{http_version} %{http_code}", "--http2", lab.url.replace("wss:", "https:")]
        shown = await asyncio.to_thread(subprocess.run, argv, capture_output=True, timeout=5)
        assert shown.stdout == b"2 426"


async def test_plain_request_to_tls_port_is_answered_with_400() -> None:
    with start_lab("endpoint.plain-to-tls-port") as lab:
        status, body = await asyncio.to_thread(http, lab.url.replace("ws://", "http://"))
        assert (status, body) == (400, b"Client sent an HTTP request to an HTTPS server.\n")


async def test_a_wsgi_server_takes_an_upgrade_for_a_get() -> None:
    with start_lab("backend.wrong-server-type") as lab:
        status, body = await asyncio.to_thread(http, lab.url.replace("ws://", "http://"))
        assert (status, body) == (404, b"Not Found")
        assert await eventually(lambda: '"GET /ws HTTP/1.1" 404' in log(lab, "a.log") + log(lab, "b.log"))


async def test_a_missing_library_is_named_in_the_log() -> None:
    with start_lab("backend.ws-library-missing") as lab:
        assert (await answer_of(lab))[0] == 404
        assert await eventually(lambda: "No supported WebSocket library detected" in log(lab, "a.log") + log(lab, "b.log"))


async def test_a_middleware_stumbles_over_upgrades_alone() -> None:
    with start_lab("backend.middleware-breaks-upgrade") as lab:
        assert (await answer_of(lab))[0] == 500
        assert (await asyncio.to_thread(http, lab.url.replace("ws://", "http://")))[0] == 404
        assert await eventually(lambda: "KeyError: 'method'" in log(lab, "a.log") + log(lab, "b.log"))


@pytest.mark.parametrize(("slug", "proxy"), on("origin.not-checked"))
async def test_origin_is_not_checked(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        name, _, value = resolve(lab.headers[0]).partition(": ")
        foreign = "https://elsewhere.example"
        assert (await answer_of(lab, origin=foreign, additional_headers={name: value}))[0] == 101
        assert (await answer_of(lab, origin=foreign))[0] == 401
        page = await asyncio.to_thread(urllib.request.urlopen, lab.page_url, timeout=5)
        with page:
            assert page.headers["Set-Cookie"].startswith(f"{value};")


async def test_the_key_of_the_page_belongs_to_another_application() -> None:
    with start_lab("auth.app-key-mismatch") as lab:
        async with open_socket(lab) as socket:
            assert json.loads(await socket.recv())["data"]["code"] == 4001
            await socket.wait_closed()
            assert socket.close_code == 4001


async def test_origin_outside_the_list_is_the_only_difference() -> None:
    with start_lab("origin.not-in-allowlist") as lab:
        assert (await answer_of(lab, origin=None))[0] == 101
        assert (await answer_of(lab, origin="https://ticker.example"))[0] == 101
        assert (await answer_of(lab))[0] == 403
        assert await eventually(lambda: "connection rejected (403 Forbidden)" in log(lab, "a.log") + log(lab, "b.log"))


TRACES = {
    "proxy.idle-timeout": ("access.log", '"status":101'),
    "proxy.idle-timeout-nginx": ("error.log", "while proxying upgraded connection"),
    "proxy.idle-timeout-haproxy": ("haproxy.log", " cD-- "),
}


async def check_idle_limit(slug: str, proxy: str = "") -> None:
    with start_lab(slug, proxy=proxy) as lab:
        async with open_socket(lab) as silent, open_socket(lab) as chatty, open_socket(lab, lab.hops["app"]) as direct:
            ages = await asyncio.gather(lifetime(silent, 3.8), lifetime(chatty, 3.8, 0.5), lifetime(direct, 3.8))
        assert ages == [pytest.approx(3.0, abs=0.3), None, None]
        assert "closed code=1006" in log(lab, "a.log") + log(lab, "b.log")
        name, words = TRACES[slug] if proxy != "apache" else ("access.log", '"GET /ws HTTP/1.1" 101')
        assert await eventually(lambda: words in log(lab, name))


async def check_lifetime() -> None:
    with start_lab("proxy.max-lifetime") as lab:
        async with open_socket(lab) as silent, open_socket(lab) as chatty:
            ages = await asyncio.gather(lifetime(silent, 7.0), lifetime(chatty, 7.0, 0.5))
        assert ages == [pytest.approx(5.0, abs=0.3)] * 2


async def test_caddys_limits() -> None:
    await asyncio.gather(check_idle_limit("proxy.idle-timeout"), check_lifetime())


@needs("nginx", "haproxy", "apache")
async def test_other_proxies_idle_limits() -> None:
    await asyncio.gather(
        check_idle_limit("proxy.idle-timeout-nginx"),
        check_idle_limit("proxy.idle-timeout-haproxy"),
        check_idle_limit("proxy.idle-timeout", "apache"),
    )


async def check_silent_client() -> None:
    with start_lab("heartbeat.absent-or-too-slow") as lab:
        async with open_socket(lab) as silent, open_socket(lab) as chatty, open_socket(lab, lab.hops["app"]) as direct:
            ages = await asyncio.gather(lifetime(silent, 3.8), lifetime(chatty, 3.8, 0.5), lifetime(direct, 3.8))
        assert ages == [pytest.approx(3.0, abs=0.4), None, pytest.approx(3.0, abs=0.4)]
        assert (silent.close_code, silent.close_reason) == (1001, "idle for too long")


async def check_one_direction() -> None:
    with start_lab("heartbeat.one-direction-only") as lab:
        async with open_socket(lab) as listening, open_socket(lab) as chatty, open_socket(lab, lab.hops["app"]) as direct:
            await asyncio.gather(*(socket.send(lab.message) for socket in (listening, direct)))
            ages = await asyncio.gather(lifetime(listening, 3.8), lifetime(chatty, 3.8, 0.5), lifetime(direct, 3.8))
        assert ages == [pytest.approx(3.0, abs=0.4), None, None]


async def check_patience() -> None:
    with start_lab("heartbeat.timeout-too-short") as lab:
        async with open_socket(lab) as quick, open_socket(lab) as busy:
            busy.transport.pause_reading()
            assert await lifetime(quick, 3.0) is None
            busy.transport.resume_reading()
            await asyncio.wait_for(busy.wait_closed(), 2)
        assert busy.close_code == 1011


@needs("haproxy")
async def test_heartbeats() -> None:
    await asyncio.gather(check_silent_client(), check_one_direction(), check_patience())


@pytest.mark.parametrize(("slug", "proxy"), on("load.connection-cap"))
async def test_connections_are_capped(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        attempts = [asyncio.create_task(open_socket(lab, open_timeout=1).__aenter__()) for _ in range(16)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        opened = [result for result in results if not isinstance(result, BaseException)]
        assert 4 <= len(opened) <= 12
        await asyncio.gather(*(socket.close() for socket in opened))


@pytest.mark.parametrize(("slug", "proxy"), on("load.rate-limited"))
async def test_upgrades_are_rate_limited(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        statuses = [(await answer_of(lab))[0] for _ in range(8)]
        assert statuses[:4] == [101] * 4
        assert 503 in statuses[4:]
        assert "limiting requests, excess" in log(lab, "error.log")


@needs("nginx")
async def test_reloads_cut_sockets_of_every_age() -> None:
    with start_lab("lifecycle.restart-drops") as lab:
        async with open_socket(lab) as old, open_socket(lab, lab.hops["app"]) as direct:
            await asyncio.wait_for(asyncio.gather(old.send("hello"), old.recv()), 2)
            async with open_socket(lab) as young:
                first, second, third = await asyncio.gather(lifetime(old, 9), lifetime(young, 9), lifetime(direct, 7.5))
        assert first is not None
        assert second is not None
        assert abs(first - second) < 0.5
        assert third is None
        assert "reconfiguring" in log(lab, "error.log")


@pytest.mark.parametrize(("slug", "proxy"), on("browser.csp-connect-src"))
async def test_policy_stands_in_the_page(slug: str, proxy: str) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        assert (await answer_of(lab))[0] == 101
        assert "Content-Security-Policy" in (lab.folder / "proxy").joinpath(CONFIGS[proxy]).read_text()


async def test_subprotocol_is_not_chosen() -> None:
    with start_lab("subprotocol.mismatch") as lab:
        assert lab.target().subprotocols == ("ticker.v2",)
        async with open_socket(lab, subprotocols=list(lab.subprotocols)) as socket:
            assert socket.subprotocol is None


async def test_handshake_is_not_answered_in_time() -> None:
    with start_lab("handshake.timeout") as lab, pytest.raises(TimeoutError):
        await answer_of(lab, open_timeout=0.5)


async def test_accept_value_is_wrong() -> None:
    with start_lab("handshake.invalid-exchange") as lab, pytest.raises(InvalidHandshake, match="Sec-WebSocket-Accept"):
        await answer_of(lab)


async def test_handler_raises() -> None:
    with start_lab("backend.exception-in-handler") as lab:
        async with open_socket(lab) as socket:
            await socket.send("fine")
            assert await socket.recv() == "fine"
            await socket.send(lab.message)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1011
        assert await eventually(lambda: "KeyError: 'since'" in log(lab, "a.log") + log(lab, "b.log"))
        assert "connection handler failed" in log(lab, "a.log") + log(lab, "b.log")


async def test_one_gone_client_keeps_events_from_those_after_it() -> None:
    with start_lab("backend.exception-kills-broadcast") as lab:
        app = lab.hops["app"]
        async with open_socket(lab, app) as before:
            gone = await open_socket(lab, app)
            async with open_socket(lab, app) as after:
                await gone.close()
                await before.send('{"type": "publish"}')
                assert await received(before, 0.3) == ['{"type": "publish"}']
                assert await received(after, 0.3) == []


async def test_loop_stalls() -> None:
    with start_lab("backend.blocking-call-in-event-loop") as lab:
        loop = asyncio.get_running_loop()
        waits = []
        async with open_socket(lab, lab.hops["app"]) as socket:
            for _ in range(30):
                begin = loop.time()
                await socket.send("echo")
                await socket.recv()
                waits.append(loop.time() - begin)
                await asyncio.sleep(0.02)
        assert max(waits) > 0.2
        assert min(waits) < 0.05


async def test_one_that_reads_nothing_holds_up_the_others() -> None:
    with start_lab("load.slow-consumer-no-backpressure") as lab:
        app, event = lab.hops["app"], json.dumps({"type": "publish", "text": "x" * 60_000})
        async with (
            open_socket(lab, app, compression=None) as reader,
            open_socket(lab, app, max_queue=1, close_timeout=0.1, compression=None),
        ):
            for _ in range(200):
                await reader.send(event)
            assert 0 < len(await received(reader, 0.8)) < 200


async def test_open_files_stay_when_sockets_go() -> None:
    with start_lab("load.fd-limit-or-leak") as lab:
        server = psutil.Process(lab.pids["a"])
        before = server.num_fds()
        for _ in range(5):
            async with open_socket(lab, lab.hops["app"]) as socket:
                await socket.ping()
        assert server.num_fds() >= before + 5


async def test_sockets_that_have_gone_are_still_told() -> None:
    with start_lab("backend.stale-connection-registry") as lab:
        for _ in range(3):
            async with open_socket(lab, lab.hops["app"]) as socket:
                await socket.ping()
        async with open_socket(lab, lab.hops["app"]) as socket:
            await socket.send('{"type": "publish"}')
            assert await received(socket) == ['{"type": "publish"}']
        assert await eventually(lambda: "event to 4 sockets" in log(lab, "a.log"))


async def test_ticks_end_and_sockets_stay() -> None:
    with start_lab("backend.background-task-died") as lab:
        async with open_socket(lab, lab.hops["app"]) as socket:
            await socket.send(lab.message)
            await received(socket, 1.2)
            assert "KeyError: 'DOGWOOD'" in log(lab, "a.log")
            await socket.send("still here")
            assert await asyncio.wait_for(socket.recv(), 1) == "still here"


async def test_large_messages_close_the_socket() -> None:
    with start_lab("frame.message-too-big") as lab:
        async with open_socket(lab) as socket:
            await socket.send("x" * 4000)
            assert len(await socket.recv()) == 4000
            await socket.send("x" * 5000)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1009


@pytest.mark.parametrize(("slug", "proxy"), on("frame.compression-broken"))
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_only_compressed_messages_close_the_socket(slug: str, proxy: str, compression: str | None) -> None:
    with start_lab(slug, proxy=proxy) as lab:
        async with open_socket(lab, compression=compression) as socket:
            await socket.send("hello " * 20)
            if compression is None:
                assert await asyncio.wait_for(socket.recv(), 1) == "hello " * 20
            else:
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(socket.recv(), 1)
                assert socket.close_code == 1002


@pytest.mark.parametrize(("slug", "kept"), [("", 100), ("message.lost", 1)])
async def test_fast_messages_are_dropped(slug: str, kept: int) -> None:
    with start_lab(slug) as lab:
        async with open_socket(lab) as socket:
            for number in range(100):
                await socket.send(str(number))
            echoes = await received(socket)
            assert echoes == sorted(echoes, key=int)
            assert len(echoes) == 100 if slug == "" else kept <= len(echoes) < 90


async def test_events_come_twice() -> None:
    with start_lab("message.duplicated") as lab:
        async with open_socket(lab, lab.hops["app"]) as a, open_socket(lab, lab.hops["app-b"]) as b:
            await a.send('{"type": "publish"}')
            assert len(await received(a)) == 2
            assert len(await received(b)) == 1


async def test_events_stay_on_one_instance() -> None:
    with start_lab("cluster.no-pubsub-across-workers") as lab:
        async with open_socket(lab) as first, open_socket(lab) as second, open_socket(lab) as third, open_socket(lab) as fourth:
            assert await publish(lab, b'{"n": 1}') == 202
            got = [len(await received(socket, 0.1)) for socket in (first, second, third, fourth)]
        assert sorted(got) == [0, 0, 1, 1]
        assert "bus" not in (lab.folder / "backend" / "server.py").read_text().lower()
        assert set(lab.pids) == {"caddy", "a", "b"}


async def test_one_of_three_instances_is_off_the_bus() -> None:
    with start_lab("cluster.pubsub-misconfigured") as lab:
        assert list(lab.hops) == ["app", "app-b", "app-c"]
        a, b, c = [await open_socket(lab, url).__aenter__() for url in lab.hops.values()]
        await a.send('{"type": "publish", "n": 1}')
        await c.send('{"type": "publish", "n": 2}')
        assert [[json.loads(text)["n"] for text in await received(socket, 0.2)] for socket in (a, b, c)] == [[1], [1], [2]]
        for socket in (a, b, c):
            await socket.close()


async def test_every_instance_publishes() -> None:
    with start_lab("cluster.every-instance-publishes") as lab:
        async with open_socket(lab, lab.hops["app"]) as a, open_socket(lab, lab.hops["app-b"]) as b:
            assert await publish(lab, b'{"n": 1}') == 202
            assert [len(await received(socket)) for socket in (a, b)] == [2, 2]


@pytest.mark.parametrize("proxy", [pytest.param("nginx", marks=needs("nginx")), pytest.param("haproxy", marks=needs("haproxy"))])
async def test_sessions_are_known_to_one_instance(proxy: str) -> None:
    with start_lab("cluster.no-sticky-session", proxy=proxy) as lab:
        polling = lab.url.replace("ws://", "http://").replace("websocket", "polling")
        opened = json.loads((await asyncio.to_thread(http, polling))[1][1:])
        answers = [await asyncio.to_thread(http, f"{polling}&sid={opened['sid']}", b"3") for _ in range(6)]
        assert sorted(status for status, _ in answers) == [200] * 3 + [400] * 3
        assert {body for status, body in answers if status == 400} == {b'{"code": 1, "message": "Session ID unknown"}'}
        code, body, _ = await answer_of(lab, f"{lab.url}&sid=nobody")
        assert (code, "Session ID unknown" in body) == (400, True)
        async with open_socket(lab) as socket:
            assert json.loads(str(await socket.recv())[1:])["upgrades"] == ["websocket"]
            assert str(await asyncio.wait_for(socket.recv(), 2)).startswith('4{"type": "tick"')


async def test_a_session_moves_to_a_websocket_at_its_instance() -> None:
    with start_lab("cluster.no-sticky-session") as lab:
        app = lab.hops["app"]
        polling = app.replace("ws://", "http://").replace("websocket", "polling")
        opened = json.loads((await asyncio.to_thread(http, polling))[1][1:])
        async with open_socket(lab, f"{app}&sid={opened['sid']}") as socket:
            await socket.send("2probe")
            assert await socket.recv() == "3probe"
            await socket.send("5")
            assert str(await asyncio.wait_for(socket.recv(), 2)).startswith('4{"type": "tick"')


async def test_bad_quotes_are_no_json() -> None:
    with start_lab("client.parse-error-swallowed") as lab:
        async with open_socket(lab) as socket:
            await socket.send(lab.message)
            messages = [str(await asyncio.wait_for(socket.recv(), 2)) for _ in range(6)]
        assert any("NaN" in message for message in messages)
        assert any("NaN" not in message and json.loads(message)["type"] == "tick" for message in messages[1:])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fault": "proxy.idle-timeout-ngnix"}, "has no fault 'proxy.idle-timeout-ngnix'; the nearest is proxy.idle-timeout-nginx"),
        ({"fault": "???"}, "has no fault"),
        ({"proxy": "traefik"}, "proxy 'traefik' is not one of caddy, nginx, haproxy, apache"),
        ({"fault": "proxy.idle-timeout-nginx", "proxy": "caddy"}, "cannot be shown with caddy, only with nginx"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        start_lab(**arguments)
    assert words in str(raised.value)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbook.programs.shutil.which", lambda *_, **__: None)
    with pytest.raises(UsageError, match=r"fault proxy\.idle-timeout-nginx needs nginx; install: apt install nginx-light"):
        start_lab("proxy.idle-timeout-nginx")
