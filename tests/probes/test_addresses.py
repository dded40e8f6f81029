"""Every address of a name gets an attempt of its own."""

import asyncio

import pytest
from misbehaving import misbehaving

from wsbook.attempt import ONE_ADDRESS, Attempt, Family
from wsbook.facts import UpgradeFacts
from wsbook.observation import Observation
from wsbook.probes import addresses
from wsbook.probes.addresses import at_every_address, probe_addresses
from wsbook.probes.names import Address, Lookup

URL = "ws://shop.example/ws"


def known(*found: str) -> tuple[Address, ...]:
    families = [Family.IPV6 if ":" in address else Family.IPV4 for address in found]
    return tuple(Address(family=family, address=address, sockaddr=(address, 80)) for family, address in zip(families, found, strict=True))


def resolves(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    async def look_up(host: str, port: int, timeout_s: float) -> Lookup:
        return Lookup(addresses=known(*found))

    monkeypatch.setattr(addresses, "look_up", look_up)


def outcome(seen: Observation) -> str:
    if isinstance(seen.facts, UpgradeFacts) and seen.facts.accepted:
        return "accepted"
    return seen.failure.reason.value if seen.failure else str(seen.outcome)


async def test_the_one_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "127.0.0.1", "127.0.0.2", "::1")
    async with misbehaving() as server:
        url = server.url("/good").replace("127.0.0.1", "shop.example")
        seen = await probe_addresses(Attempt(url=url, timeout_s=0.5, first_message_s=0.01), step="1.3")
        request = server.requests[0]
        assert len(server.requests) == 1
    assert len(seen) == 5
    found = {one.source.changed[0].removeprefix(ONE_ADDRESS): outcome(one) for one in seen}
    assert found == {"127.0.0.1": "accepted", "127.0.0.2": "connection refused", "::1": "connection refused"}
    assert b"Host: shop.example" in request


@pytest.mark.parametrize("fields", [{"url": "ws://127.0.0.1/"}, {"via": "http://proxy.example"}, {"address": "192.0.2.1"}])
async def test_where_there_is_nothing_to_choose(monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]) -> None:
    resolves(monkeypatch, "192.0.2.1", "192.0.2.2")
    assert await probe_addresses(Attempt(**{"url": URL, **fields}), step="1.3") == []  # type: ignore[arg-type]


async def test_one_address_was_tried_by_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "192.0.2.1")
    assert await asyncio.wait_for(probe_addresses(Attempt(url=URL), step="1.3"), 0.2) == []


def test_both_families_are_among_the_eight() -> None:
    found = at_every_address(Attempt(url=URL), known(*(f"192.0.2.{n}" for n in range(20)), "2001:db8::1"))
    assert len(found) == 8
    assert [one.address for one in found][:3] == ["2001:db8::1", "192.0.2.0", "192.0.2.1"]
