"""The gateway that reads messages: what it plants is exactly what plain clients miss, get twice, late or in another order."""

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab.lab_client import http, open_socket, publish, received
from msgspec.structs import replace
from observations import TARGET

from wsbook.case import Case
from wsbook.evidence import Evidence
from wsbook.lab import Lab, start_lab
from wsbook.lab.gateway import Messages, plain
from wsbook.rules.trace_places import legs_of, trace_of
from wsbook.target import Budget

GATEWAY = Path(__file__).parents[2] / "wsbook" / "lab" / "gateway.py"


def frame(payload: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    return bytes([opcode | (0x80 if final else 0)]) + length + payload


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 200_000])
def test_messages_are_cut_wherever_pieces_end(step: int) -> None:
    parts = [frame(b"a"), frame(b"", 9), frame(b"b" * 200), frame(b"c" * 70_000, 2)]
    split = [frame(b"one", final=False), frame(b"pong", 10), frame(b"two", 0)]
    data, messages, found = b"".join((*parts, *split)), Messages(), []
    for begin in range(0, len(data), step):
        found += list(messages.take(data[begin : begin + step]))
    assert [(piece, whole) for piece, whole in found if whole] == [
        (parts[0], True),
        (parts[2], True),
        (parts[3], True),
        (split[0] + split[2], True),
    ]
    assert [piece for piece, whole in found if not whole] == [parts[1], split[1]]


def test_compression_is_not_offered_on() -> None:
    head = b"GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: websocket\r\n\r\n"
    assert plain(head) == b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"


async def echoes(lab: Lab, count: int) -> list[int]:
    async with open_socket(lab) as socket:
        for number in range(count):
            await socket.send(str(number))
        return [int(text) for text in await received(socket, 0.6)]


@pytest.mark.parametrize(
    ("planted", "lost", "doubled", "late"),
    [("--lose 100", 10, 0, 0), ("--double 200", 0, 5, 0), ("--swap 250", 0, 0, 4), ("", 0, 0, 0), ("--lose 300 --double 400", 3, 2, 0)],
)
async def test_what_is_planted_is_what_clients_miss(planted: str, lost: int, doubled: int, late: int) -> None:
    with start_lab(relay=f"plant {planted}") as lab:
        got = await echoes(lab, 1001)
        assert 1001 - len(set(got)) == lost
        assert len(got) - len(set(got)) == doubled
        highest, behind = -1, 0
        for number in got:
            behind += number < highest
            highest = max(highest, number)
        assert behind == late
        await asyncio.sleep(1.2)
        told = re.findall(r"(\w+)=(\d+)", (lab.folder / "logs" / "relay.log").read_text().splitlines()[-1])
        assert dict(told) == {"messages": "1001", "lost": str(lost), "doubled": str(doubled), "swapped": str(late)}


async def test_one_in_ten_thousand() -> None:
    with start_lab(relay="plant --lose 10000") as lab:
        assert 20_000 - len(set(await echoes(lab, 20_000))) == 2


async def test_a_message_held_back_for_the_next_comes_without_one() -> None:
    with start_lab(relay="plant --swap 1") as lab:
        assert await echoes(lab, 1) == [0]


async def test_everything_stands_still_once() -> None:
    with start_lab(relay="plant --stall 1.0 --after 0.3") as lab:
        async with open_socket(lab) as one, open_socket(lab) as two:
            took = []
            for turn in range(12):
                begin = time.perf_counter()
                for socket in (one, two):
                    await socket.send(str(turn))
                for socket in (one, two):
                    await socket.recv()
                took.append(time.perf_counter() - begin)
                await asyncio.sleep(0.08)
        assert 0.7 < max(took) < 1.4
        assert sum(one > 0.5 for one in took) == 1


async def test_words_are_sifted_out_and_pages_pass() -> None:
    with start_lab("message.lost-on-the-way") as lab:
        assert (await asyncio.to_thread(http, lab.page_url))[0] == 200
        async with open_socket(lab) as socket, open_socket(lab, lab.hops["proxy"]) as inner:
            await socket.send(lab.message)
            assert await publish(lab, b'{"type": "event", "n": 1}') == 202
            assert [json.loads(text)["type"] for text in await received(inner)] == ["event"]
            told = [json.loads(await asyncio.wait_for(socket.recv(), 3.0))["type"] for _ in range(4)]
            assert set(told) == {"subscribed", "tick"}


async def test_the_gateway_says_how_it_is_called() -> None:
    done = await asyncio.to_thread(subprocess.run, [sys.executable, str(GATEWAY), "guess"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "sift" in done.stderr


async def traced(lab: Lab) -> Case:
    case = Case(replace(lab.target(), page_url=""), Budget.named("quick"), lab=lab)
    await case.run("4.1")
    return case


async def test_a_planted_delay_is_that_of_its_hop() -> None:
    with await traced(await asyncio.to_thread(start_lab, relay="plant --delay 0.05")) as case:
        trace = trace_of(Evidence(TARGET, case.evidence.observations))
        assert trace is not None
        legs = {leg.end: leg.p50_s for leg in legs_of(trace)}
        assert legs["endpoint"] == pytest.approx(0.05, abs=0.005)
        assert not case.judge().faulty
