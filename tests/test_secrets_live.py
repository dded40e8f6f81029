"""A server that tells back what it was told, and secrets of its own, leaves none of them in a record."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving import Behave, Peer, head, misbehaving
from secret_search import found_in, parts_of

from wsbook.case import Case
from wsbook.parameters import target_from
from wsbook.report import write_report

TOKEN, COOKIE, PASSWORD = "Zq81LmXw02PvKr77", "c0okIE9Value3xYz", "pA55-w0rd!Xy"
PROTOCOL, UNKNOWN = "tKn5uBpR0t0c0lZz9w", "u7Kn0wNh3aDeR5Vx"
THEIRS = {"cookie": "sRv9Ck81zzQwPl02", "token": "L0cAt10nT0kEn77x", "greeting": "Gr33t1ngS3cr3t8x", "close": "cL0s3R34s0n99kk"}
PARAMETERS = {
    "headers": f"Authorization: Bearer {TOKEN}\nCookie: theme=dark; session={COOKIE}; lang=en\nX-Vendor: {UNKNOWN}",
    "subprotocols": f"access_token, {PROTOCOL}",
}
SECRETS = (TOKEN, COOKIE, PASSWORD, PROTOCOL, UNKNOWN, *THEIRS.values())


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is sealed here out of other tests."""
    for number in range(1, 40):
        monkeypatch.setenv(f"WSBOOK_SECRET_{number}", "")
        monkeypatch.delenv(f"WSBOOK_SECRET_{number}")


async def refusing(peer: Peer) -> None:
    """Refuse with everything that was sent: as it came, in JSON, in Base64, escaped for HTML and for a URL."""
    said = peer.request.decode("latin-1")
    body = "\n".join([said, json.dumps({"headers": said.splitlines()}), base64.b64encode(peer.request).decode(), said.replace("=", "%3D")])
    await peer.send(
        f"HTTP/1.1 403 Forbidden {said.splitlines()[0][:80]}\r\nSet-Cookie: sid={THEIRS['cookie']}; Path=/\r\nX-Echo: {said.split()[1]}\r\n"
        f"Location: https://login.example.test/?token={THEIRS['token']}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode("latin-1")
    )


async def accepting(peer: Peer) -> None:
    """Accept, greet with what was sent and a session of our own, and close with a token as reason."""
    accepted = head(more=(b"Sec-WebSocket-Protocol: access_token", f"Set-Cookie: sid={THEIRS['cookie']}; Path=/".encode()))
    await peer.send(accepted.replace(b"ACCEPT", peer.accept))
    sent = dict(re.findall(r"(?m)^([\w-]+): (.*?)\r?$", peer.request.decode("latin-1")))
    greeting = json.dumps({"sid": THEIRS["greeting"], "you": list(sent.values()), "cookie": THEIRS["cookie"]}).encode()
    await peer.send(bytes([0x81, 126]) + len(greeting).to_bytes(2, "big") + greeting)
    reason = f"token={THEIRS['close']} expired {TOKEN}".encode()
    await peer.send(bytes([0x88, len(reason) + 2]) + (4001).to_bytes(2, "big") + reason)


def written(record: Path) -> dict[str, str]:
    """Return the texts of a record, both reports included."""
    write_report(record)
    return texts_below(record)


def texts_below(folder: Path) -> dict[str, str]:
    """Return the text of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "record"


@pytest.mark.parametrize("behave", [refusing, accepting], ids=["refusing", "accepting"])
async def test_a_server_that_echoes_leaves_no_secret(behave: Behave, record: Path) -> None:
    async with misbehaving(way=behave) as server:
        url = server.url("/way").replace("://", f"://app:{PASSWORD}@") + f"?token={TOKEN}&room=1"
        with Case.open(url=url, record=str(record), command=f"run {url} --header 'X-Vendor: {UNKNOWN}'", **PARAMETERS) as case:
            await case.run("1.3")
            await case.run("3.3")
            case.judge()
    texts = written(record)
    assert sum(seen.kind == "upgrade" for seen in case.evidence.observations) > 5
    assert "room=1" in texts["target.toml"]
    parts = parts_of(SECRETS)
    assert {name: found for name, text in texts.items() if (found := found_in(text, parts))} == {}


def test_secrets_of_every_parameter_become_references() -> None:
    target = target_from(
        {"url": f"wss://app:{PASSWORD}@h/ws?token={TOKEN}", **PARAMETERS, "forward_proxy": f"http://u:{PASSWORD}@proxy:3128"}
    )
    assert not found_in(str(target), parts_of(SECRETS))
    assert [name for name, _ in target.headers] == ["Authorization", "Cookie", "X-Vendor"]
    assert target.headers[0][1].startswith("Bearer ${env:WSBOOK_SECRET_")
    assert target.subprotocols[0] == "access_token" and target.subprotocols[1].startswith("${env:WSBOOK_SECRET_")


def test_headers_on_one_line_are_told_apart_and_a_cookie_stays_whole() -> None:
    target = target_from({"url": "ws://h/", "headers": "X-One: 1; Cookie: a=${env:HOME}; b=2; X-Two: 2"})
    assert target.headers == (("X-One", "1"), ("Cookie", "a=${env:HOME}; b=2"), ("X-Two", "2"))
