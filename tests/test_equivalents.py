"""Attempts as commands: what they send is what we sent, whatever the shell makes of the words, and no secret stands in them."""

import asyncio
import os
import shlex
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from conftest import REQUIRED, find
from forward_proxy import Proxy
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import head, misbehaving, says, serving
from msgspec.structs import replace

from wsbook.attempt import Attempt, Family
from wsbook.equivalents import commands, curl_command, shell_word, websocat_command
from wsbook.facts import UpgradeFacts
from wsbook.probes.upgrade import probe_upgrade
from wsbook.redact import Redactor
from wsbook.wire.handshake import request_headers

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def curl(attempt: Attempt) -> str:
    return curl_command(attempt, request_headers(attempt, KEY))


def websocat(attempt: Attempt) -> str:
    return websocat_command(attempt, request_headers(attempt, KEY))


def program(name: str) -> str:
    """Return the program's path; skip without it, or fail when it is required."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else find(name)
    if not found and name in REQUIRED:
        pytest.fail(f"{name} is not installed")
    if not found:
        pytest.skip(f"needs {name}")
    return found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("plain", "plain"),
        ("two words", "'two words'"),
        ("it's", "'it'\"'\"'s'"),
        ("$HOME `id`", "'$HOME `id`'"),
        ("env:TOKEN", '"${TOKEN}"'),
        ("Bearer ${env:TOKEN}", '"Bearer ${TOKEN}"'),
        ('a"b\\c$d`e ${env:T}', '"a\\"b\\\\c\\$d\\`e ${T}"'),
        ("${file:/run/my secret}", "'${file:/run/my secret}'"),
        ("x ${file:/run/it's}", "\"x $(cat '/run/it'\"'\"'s')\""),
        ("", "''"),
    ],
)
def test_words(text: str, word: str) -> None:
    assert shell_word(text) == word


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_any_text_is_one_word_that_a_shell_reads_back(text: str) -> None:
    if "env:" not in text and "file:" not in text:
        assert shlex.split(shell_word(text)) == [text]


@pytest.mark.parametrize(
    ("fields", "words", "without"),
    [
        ({}, ["--http1.1", "--max-time 5", "http://h.example:81/p"], ["-k", "--proxy", "-4"]),
        ({"url": "wss://h.example/p", "verify": False}, ["-k", "https://h.example/p"], []),
        ({"url": "wss://h.example/p", "ca_file": "/ca dir/a.pem"}, ["--cacert '/ca dir/a.pem'"], ["-k"]),
        ({"address": "::1"}, ["--resolve 'h.example:81:[::1]'"], []),
        ({"family": Family.IPV6}, ["-6"], []),
        ({"via": "http://u:p@proxy:3128"}, ["--proxytunnel", '--proxy "http://${PROXY_CREDENTIALS}@proxy:3128"'], ["u:p"]),
        ({"host_header": "other.example"}, ["-H 'Host: other.example'"], []),
        ({"url": "wss://h.example/p", "server_name": "other"}, ["--connect-to other:443:h.example:443", "https://other/p"], []),
        ({"url": "wss://h.example/", "alpn": ("h2", "http/1.1")}, ["--http2"], ["--http1.1"]),
        ({"url": "wss://h.example/", "alpn": ()}, ["--no-alpn"], []),
        ({"upgrade": False}, ["-H Accept:"], ["Sec-WebSocket-Key"]),
        ({"http_version": "1.0"}, ["--http1.0"], ["--http1.1"]),
        ({"omit": ("sec-websocket-key",)}, ["Sec-WebSocket-Version"], ["Sec-WebSocket-Key"]),
        ({"headers": (("Cookie", "session=abc"), ("X-Empty", ""))}, ['-H "Cookie: ${COOKIE}"', "-H 'X-Empty;'"], ["abc"]),
        ({"headers": (("Authorization", "env:JWT"),)}, ['-H "Authorization: ${JWT}"'], []),
        ({"url": "ws://ada:pw@h.example/p"}, ['Authorization: Basic $(printf %s "${URL_CREDENTIALS}" | base64'], ["pw@"]),
        ({"url": "ws://h.example/p?token=${env:T}"}, ['"http://h.example/p?token=${T}"'], []),
    ],
)
def test_curl_options(fields: dict[str, object], words: list[str], without: list[str]) -> None:
    text = curl(Attempt(**{"url": "ws://h.example:81/p", **fields}))  # type: ignore[arg-type]
    assert [word for word in words if word not in text] == [], text
    assert [word for word in without if word in text] == [], text


def test_what_a_tool_cannot_do_gives_no_command_for_it() -> None:
    assert curl(Attempt(url="wss://h.example/", server_name="")) == ""
    for fields in ({"via": "http://p:1"}, {"upgrade": False}, {"host_header": "x.example"}, {"omit": ("connection",)}):
        attempt = Attempt(url="ws://h.example/", **fields)  # type: ignore[arg-type]
        assert websocat(attempt) == ""
        assert [tool for tool, _ in commands(attempt, request_headers(attempt, KEY))] == ["curl"]


def test_websocat_options() -> None:
    attempt = Attempt(url="wss://h.example/p", address="10.0.0.1", origin="https://a.example", subprotocols=("a", "b"), verify=False)
    words = shlex.split(websocat(attempt))
    assert words[:3] == ["websocat", "-v", "-k"]
    assert {"-H=Origin: https://a.example", "--protocol=a, b", "--ws-c-uri=wss://h.example/p"} <= set(words)
    assert words[-2:] == ["-", "ws-c:tls-connect:tcp:10.0.0.1:443"]


ATTEMPTS = {
    "baseline": {},
    "everything": {
        "origin": "https://shop.example",
        "subprotocols": ("chat", "v2"),
        "headers": (("X-Tricky", 'it\'s "$HOME" `id` \\'), ("Cookie", "${env:WSBOOK_TEST_COOKIE}"), ("X-Empty", "")),
    },
    "own user agent": {"headers": (("User-Agent", "Mozilla/5.0 (X11)"),)},
    "no extensions": {"extensions": ()},
    "no upgrade": {"upgrade": False},
    "host": {"host_header": "public.example"},
    "refused": {"path": "/refused?a=1&b={x}[y]&c=%20|"},
}


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_curl_sends_the_same_bytes_and_sees_the_same_status(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program("curl")
    monkeypatch.setenv("WSBOOK_TEST_COOKIE", "session=ü; b='1'")
    fields = dict(ATTEMPTS[name])
    async with misbehaving(open=says(head(), then="keep"), refused=says(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")) as server:
        attempt = Attempt(url=server.url(str(fields.pop("path", "/open"))), timeout_s=1.0, first_message_s=0.0, **fields)  # type: ignore[arg-type]
        seen = await probe_upgrade(attempt, step="1.3")
        assert isinstance(seen.facts, UpgradeFacts)
        command = dict(seen.facts.commands)["curl"].replace("--max-time 1 ", "--max-time 0.2 ")
        done = await asyncio.to_thread(subprocess.run, ["sh", "-c", command], capture_output=True, timeout=10, env=os.environ)
    ours, theirs = server.requests
    assert theirs == ours.replace(b": \r\n", b":\r\n")  # white space of an empty value
    assert done.stdout.split()[1] == str(seen.facts.status).encode()
    assert "session=" not in command


async def repeated(attempt: Attempt) -> bytes:
    """Make the attempt, then run its curl command; return the command's output."""
    seen = await probe_upgrade(attempt, step="1.3")
    assert isinstance(seen.facts, UpgradeFacts)
    command = dict(seen.facts.commands)["curl"].replace("--max-time 1 ", "--max-time 0.3 ")
    done = await asyncio.to_thread(subprocess.run, ["sh", "-c", command], capture_output=True, timeout=10, env=os.environ)
    return done.stdout


async def test_curl_through_a_forward_proxy() -> None:
    program("curl")
    proxy = Proxy(None)
    async with misbehaving(open=says(head(), then="keep")) as server, serving(proxy.serve) as port:
        attempt = Attempt(url=f"ws://far.example:{server.port}/open", via=f"http://127.0.0.1:{port}", timeout_s=1.0, first_message_s=0.0)
        assert b" 101 " in await repeated(attempt)
    assert server.requests[0] == server.requests[1]
    assert [request.split()[:2] for request in proxy.requests] == [[b"CONNECT", b"far.example:%d" % server.port]] * 2


@pytest.mark.parametrize(
    "fields",
    [{}, {"address": "127.0.0.1"}, {"server_name": "other.example"}, {"verify": False, "ca_file": ""}, {"alpn": ()}],
    ids=["authority", "address", "other name", "unchecked", "no ALPN"],
)
async def test_curl_over_tls(fields: dict[str, object], tmp_path: Path) -> None:
    program("curl")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "other.example").configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda socket, name, context: asked.append(name)
    async with misbehaving(context=context, open=says(head(), then="keep")) as server:
        attempt = Attempt(url=f"wss://localhost:{server.port}/open", timeout_s=1.0, first_message_s=0.0)
        attempt = replace(attempt, **{"ca_file": str(tmp_path / "ca.pem"), **fields})  # type: ignore[arg-type]
        assert b" 101 " in await repeated(attempt)
    assert server.requests[0] == server.requests[1]
    assert asked[0] == asked[1] == (fields.get("server_name") or "localhost")


async def test_websocat_opens_the_same_socket() -> None:
    path = program("websocat")
    async with misbehaving(open=says(head() + b"\x81\x05hello", then="keep")) as server:
        attempt = Attempt(url=server.url("/open"), origin="https://shop.example", subprotocols=(), headers=(("X-It", "it's"),))
        command = websocat(attempt).replace("websocat -v", f"{shlex.quote(path)} -1 -U", 1)
        done = await asyncio.to_thread(subprocess.run, ["sh", "-c", command], capture_output=True, timeout=10)
    lines = server.requests[0].decode().split("\r\n")
    assert done.stdout.strip() == b"hello"
    assert {"Origin: https://shop.example", "X-It: it's", "Sec-WebSocket-Version: 13"} <= set(lines)


def test_the_redactor_leaves_variables_and_takes_values() -> None:
    attempt = Attempt(
        url="ws://h.example/p?token=clear1234", headers=(("X-Auth-Token", "clear5678"), ("Authorization", "Bearer ${env:JWT}"))
    )
    (_, text), *_ = (
        Redactor().value(UpgradeFacts(url="", accepted=True, commands=commands(attempt, request_headers(attempt, KEY)))).commands
    )
    assert '"X-Auth-Token: ${X_AUTH_TOKEN}"' in text
    assert '"Authorization: Bearer ${JWT}"' in text
    assert "clear" not in text
