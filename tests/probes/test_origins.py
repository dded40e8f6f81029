"""The probes of step 3.3: which variants are made, what is heard after a 101, and when it stops asking."""

import asyncio

import pytest
from misbehaving import Peer, head, misbehaving

from wsbook import attempt as labels
from wsbook.attempt import Attempt
from wsbook.facts import CredentialFacts, UpgradeFacts
from wsbook.observation import Observation, Outcome
from wsbook.probes.origins import host_variant, look_at_credentials, origin_variants, probe_entries, probe_entry
from wsbook.wire.origins import Relative, relatives

PLAIN = Attempt(url="ws://host.example/ws", origin="https://host.example")
COOKIE = Attempt(url="wss://host.example/ws?token=abcdef", origin="https://host.example", headers=(("Cookie", "sid=1"),))
FOREIGN = Relative(labels.FOREIGN_ORIGIN, "https://foreign.example")


def changes(variants: list[Attempt]) -> list[tuple[str, ...]]:
    return [variant.changed for variant in variants]


def test_without_credentials_each_origin_comes_once() -> None:
    assert all(len(changed) == 1 for changed in changes(origin_variants(PLAIN, relatives("https://host.example"))))


def test_with_a_cookie_and_a_token_each_comes_three_times_and_the_own_one_twice_more() -> None:
    assert changes(origin_variants(COOKIE, [FOREIGN])) == [
        (labels.FOREIGN_ORIGIN, labels.NO_CREDENTIALS),
        (labels.FOREIGN_ORIGIN, labels.ONLY_AMBIENT),
        (labels.FOREIGN_ORIGIN,),
        (labels.NO_CREDENTIALS,),
        (labels.ONLY_AMBIENT,),
    ]


def test_the_public_host_at_a_hop() -> None:
    assert host_variant(PLAIN, "host.example") is PLAIN
    changed = host_variant(PLAIN, "shop.example")
    assert (changed.host_header, changed.changed) == ("shop.example", (labels.THE_ENDPOINTS_HOST,))


def test_credentials_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_TOKEN", "Bearer very-secret")
    seen = look_at_credentials(Attempt(url="ws://h.example/ws", headers=(("Authorization", "env:WS_TOKEN"),)), step="3.3")
    assert isinstance(seen.facts, CredentialFacts)
    assert [(one.name, one.scheme) for one in seen.facts.credentials] == [("Authorization", "Bearer")]
    assert "secret" not in repr(seen)
    monkeypatch.delenv("WS_TOKEN")
    assert look_at_credentials(Attempt(url="ws://h.example/?token=env:WS", headers=(("Cookie", "env:WS_TOKEN"),)), step="3.3").outcome is (
        Outcome.NOT_RUN
    )


def close_frame(code: int, reason: bytes = b"") -> bytes:
    payload = code.to_bytes(2, "big") + reason
    return bytes([0x88, len(payload)]) + payload


def text_frame(text: bytes) -> bytes:
    return bytes([0x81, len(text)]) + text


def accepting(after: bytes, *, end: bool = False):
    async def behave(peer: Peer) -> None:
        await peer.send(head().replace(b"ACCEPT", peer.accept) + after)
        if not end:
            await peer.reader.read(1)

    return behave


async def heard(after: bytes, *, end: bool = False) -> UpgradeFacts:
    async with misbehaving(ws=accepting(after, end=end)) as server:
        seen = await probe_entry(Attempt(url=server.url("/ws"), extensions=(), first_message_s=1.0 if after or end else 0.05), step="3.3")
    assert isinstance(seen.facts, UpgradeFacts)
    assert seen.facts.accepted
    return seen.facts


async def test_what_follows_a_101() -> None:
    quiet = await heard(b"")
    assert (quiet.first_message, quiet.ended, quiet.close_code) == (None, "", None)
    closed = await heard(close_frame(4403, b"origin"))
    assert (closed.first_message, closed.ended, closed.close_code, closed.close_reason) == (None, "close", 4403, "origin")
    told = await heard(text_frame(b"no") + close_frame(1008))
    assert (told.first_message, told.ended, told.close_code) == ("no", "close", 1008)
    gone = await heard(b"", end=True)
    assert gone.ended == "fin"


async def _asked(status: bytes, attempts: int) -> tuple[list[Observation], int]:
    async def refuse(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    async with misbehaving(ws=refuse) as server:
        baseline = Attempt(url=server.url("/ws"), timeout_s=2.0)
        variants = [baseline.change(f"number {number}") for number in range(attempts)]
        seen = await probe_entries(variants, step="3.3", probe="origin", together=1)
    return seen, len(server.paths)


async def test_a_busy_endpoint_is_left_alone() -> None:
    seen, made = await _asked(b"429 Too Many Requests", 9)
    assert made == 2
    assert seen[-1].outcome is Outcome.NOT_RUN
    assert seen[-1].failure is not None
    assert "7 upgrades with other Origins were not tried: the endpoint began to answer 429" in seen[-1].failure.message


async def test_a_refusal_is_asked_to_the_end() -> None:
    seen, made = await _asked(b"403 Forbidden", 9)
    assert (made, len(seen), {one.source.probe for one in seen}) == (9, 9, {"origin"})


async def test_a_cancelled_matrix_leaves_no_task() -> None:
    async with misbehaving() as server:
        silent = Attempt(url=server.url("/silent"), timeout_s=5.0)
        task = asyncio.create_task(probe_entries([silent.change(str(number)) for number in range(4)], step="3.3"))
        for _ in range(500):
            if len(server.paths) == 4:
                break
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [one for one in asyncio.all_tasks() if "probe_entries" in repr(one)]
